"""Random life stories through the real stack, in bad weather: in the end everyone is what they should be.

``ATLAS_STORIES=10000`` for the long run. ``ATLAS_SEED=…`` (printed by each run) plays the same stories again, and
``ATLAS_STORY=17`` only one of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from support.entitlements import announced, query
from support.faults.checker import audit_findings
from support.seeds import first_seed
from support.stack import Stack, running_stack
from support.stories import AT_ONCE, Story, play
from support.teller import Teller

STORIES = int(os.environ.get("ATLAS_STORIES", "120"))
SEED = first_seed()
ONLY = os.environ.get("ATLAS_STORY")
SETTLED_WITHIN_SECONDS = 60.0
LIMITS = {f"RATE_LIMIT_{name}": "0" for name in ("CHECKOUT", "PORTAL", "RESTORE", "CONFIRM")}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack of its own: the weather is everybody's."""
    with running_stack(LIMITS) as running:
        yield running


@pytest.mark.timeout(0 if STORIES > 200 else 300)
def test_after_one_pull_everyone_is_what_they_should_be(stack: Stack) -> None:
    numbers = range(int(ONLY), int(ONLY) + 1) if ONLY else range(STORIES)
    started = time.monotonic()
    print(f"\nstories: {len(numbers)}, ATLAS_SEED={SEED}", flush=True)
    wrong = asyncio.run(_play_and_compare(stack, numbers))
    print(f"played in {time.monotonic() - started:.0f} s, {len(wrong)} wrong", flush=True)
    for each in wrong:
        print(each, flush=True)
    assert not wrong, f"ATLAS_SEED={SEED}: {len(wrong)} wrong, the first:\n{wrong[0]}"
    assert _json(stack, "parked", "list") == [], "nothing of this makes no sense"
    assert stack.atlas("rebuild", "--verify").returncode == 0, "a fresh fold of the ledger is the same"
    assert audit_findings(_json(stack, "audit")) == [], "Stripe's final state and ours agree"
    _announced_once(stack)


async def _play_and_compare(stack: Stack, numbers: range) -> list[str]:
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=4 * AT_ONCE)) as http:
        teller = Teller(stack, SEED, http)

        def progress(done: int) -> None:
            if done % 500 == 0:
                print(f"  {done} stories", flush=True)

        stories, wrong = await play(teller, numbers, progress)
        pulled = await asyncio.to_thread(stack.atlas, "pull", "--since", "24h", timeout=3600)
        assert pulled.returncode == 0, pulled.stdout + pulled.stderr
        return wrong + await _not_as_they_should_be(stories)


async def _not_as_they_should_be(stories: list[Story]) -> list[str]:
    """Who isn't what the oracle says, given a little time for the facts to be folded."""
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    waiting = stories
    while True:
        said = []
        for start in range(0, len(waiting), 50):
            some = waiting[start : start + 50]
            said += zip(some, await asyncio.gather(*(story.entitlement() for story in some)), strict=True)
        waiting = [story for story, entitlement in said if not _right(story, entitlement)]
        if not waiting or time.monotonic() > deadline:
            said_of = {story.user: entitlement for story, entitlement in said}
            return [f"the gateway says {said_of[s.user]}, the truth is {s.truth}\n{s.told()}" for s in waiting]
        await asyncio.sleep(0.5)


def _right(story: Story, entitlement: dict[str, Any]) -> bool:
    source = None if story.truth == "none" else "stripe"
    expected = (story.truth, story.truth == "active", source)
    return (entitlement["status"], entitlement["isPro"], entitlement["source"]) == expected


def _announced_once(stack: Stack) -> None:
    """One entitlement event per version of everyone's entitlement, no more, no fewer."""
    versions = query(stack.json["postgres"]["databases"]["entitlements"], "SELECT user_id, version FROM entitlements")
    expected = {f"{user}:{v}" for user, last in versions for v in range(1, last + 1)}
    deadline = time.monotonic() + 15
    while len(changes := _announced_changes(stack)) < len(expected) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(changes) == len(set(changes))
    assert set(changes) == expected


def _announced_changes(stack: Stack) -> list[str]:
    return [change for change, _ in announced(stack.json["nats"]["url"], "_INBOX_admin")]


def _json(stack: Stack, *command: str) -> Any:
    return json.loads(stack.atlas(*command, "--json", timeout=600).stdout)
