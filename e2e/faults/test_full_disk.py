"""The broker's disk is full: refused honestly, nothing acknowledged is lost; room and a restart put it right."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.buyer import Buyer
from support.faults import checker
from support.stack import WORKSPACE, Stack, eventually, new_stack

sys.path[:0] = [str(WORKSPACE / "e2e" / "load")]

from webhook_events import event_body, signature

DISK_MB = 64
REFUSED = 3


@contextlib.contextmanager
def small_disk(where: Path) -> Iterator[None]:
    """A file system of its own at ``where``, in memory."""
    where.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0755", "tmpfs", str(where)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs root and the right to mount a small file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


@pytest.mark.slow
def test_a_full_disk_of_the_broker_refuses_and_loses_nothing() -> None:
    with new_stack({"BILLING_PULL_INTERVAL_SECONDS": "0"}) as stack, small_disk(stack.home / "data" / "nats"):
        stack.up()
        numbers = iter(range(int(time.time()) * 1_000_000, 10**18))
        accepted = {number for number in (next(numbers) for _ in range(50)) if delivered(stack, number)}
        assert len(accepted) == 50

        filler = fill(stack.home / "data" / "nats" / "filler")
        refused: set[int] = set()
        while len(refused) < REFUSED:
            assert len(accepted) < 1000, "a full disk takes no more"
            number = next(numbers)
            (accepted if delivered(stack, number) else refused).add(number)
        assert stack.status()["nats"]["health"] == "down", "and status says it"

        filler.unlink()
        os.kill(stack.pid("nats"), signal.SIGTERM)  # the server keeps its write error until it starts anew
        for number in refused:
            eventually(lambda n=number: delivered(stack, n), 60, "taken now")
        asyncio.run(checker.folded(stack))
        assert {f"evt_{number:016d}" for number in accepted | refused} <= set(checker.ledger_ids(stack))
        assert checker.announced_wrongly(stack) == []
        Buyer(stack).buy()
        stack.down()


def delivered(stack: Stack, number: int) -> bool:
    """Whether the webhook was acknowledged; if not, it must have been refused as temporary."""
    body, webhook = event_body(number, ""), stack.json["webhook"]
    headers = {"stripe-signature": signature(body, webhook["secret"])}
    answer = httpx.post(webhook["url"], content=body, headers=headers, timeout=15)
    assert answer.status_code in (200, 503), answer.text
    return answer.status_code == 200


def fill(path: Path) -> Path:
    """Until nothing more fits."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return path
