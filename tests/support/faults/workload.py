"""Life stories while everything breaks: who gets no answer tries again, or leaves it; who gets one may rely on it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from pydantic import SecretStr

from atlas_kit.http.identity import TokenMint
from support.bought import Bought, Wrong
from support.stories import FINAL_DISPUTE, Story
from support.teller import Teller

TRIES = 3
CLIENT_SECONDS = 8.0
"""Nobody waits longer for a page; the server may still be at it."""


class NoAnswer(Exception):
    """503, 429, a broken connection or silence: the caller can't know whether it took effect."""


class PatientTeller(Teller):
    """Asks Stripe again when the API was told to fail; what a failed call left behind there, nobody ever pays."""

    async def stripe(self, method: str, path: str, form: dict[str, str] | None = None) -> Any:
        for _ in range(50):
            try:
                return await super().stripe(method, path, form)
            except Wrong as problem:
                if not any(f": {status} " in str(problem) for status in (429, 500, 503)):
                    raise
            await asyncio.sleep(0.05)
        raise Wrong(f"{path} fails and fails")


@dataclass(repr=False)
class FaultyStory(Story):
    """A story whose requests may fail. What Stripe did is known (it is asked directly), what our side did is not."""

    answers: Counter[str] = field(default_factory=Counter)

    async def play(self) -> None:
        for _ in range(self.chance.randint(5, 10)):
            await self._act(*self.chance.choice(list(self._possible())))
        for bought in self.purchases:
            for refund, (_, status) in list(bought.refunds.items()):
                if status == "pending":
                    await self.refund_ends(bought, refund)

    async def prepare(self) -> None:
        """Open a checkout while all is well: then there is something to pay, whatever comes."""
        await self._act(self.opens_checkout)

    async def _act(self, action: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        self.log.append(f"{action.__name__} {arguments or ''}")
        try:
            await action(*arguments)
        except NoAnswer as reason:
            self.log.append(f"  no answer: {reason}")

    async def confirms(self, bought: Bought) -> None:
        """What is paid is Pro or, said honestly, still on its way."""
        status, answer = await self.gateway(
            "POST", "/api/billing/stripe/confirm", {"checkoutSessionId": bought.session}
        )
        if status == 404 and all(bought.session not in line for line in self.log if line.startswith("opens")):
            return
        if status != 200:
            raise Wrong(f"confirm answered {status}: {answer}")
        if bought.stands and answer["data"]["outcome"] not in ("active", "processing"):
            raise Wrong(f"confirm said {answer['data']}, and {bought} stands")

    def is_under_way(self, bought: Bought) -> bool:
        """What is paid and disputed isn't sold again; whether it stands meanwhile the ledger says, which may be late."""
        disputed = any(status not in FINAL_DISPUTE for status in bought.disputes.values())
        return super().is_under_way(bought) or (bought.stands and disputed)

    async def gateway(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        for left in reversed(range(TRIES)):
            try:
                async with asyncio.timeout(CLIENT_SECONDS):
                    status, answer = await super().gateway(method, path, body)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                status, answer = 0, type(error).__name__
            self.answers["connection" if status == 0 else str(status)] += 1
            if 0 < status < 500 and status != 429:
                return status, answer
            if status >= 500 and (status != 503 or answer["error"]["recovery"] != "retry_later"):
                raise Wrong(f"{path} answered {status} {answer}: a fault is said as 503 retry_later")
            if not left or self.chance.random() < 0.3:
                break
            await asyncio.sleep(0.2 + self.chance.random())
        raise NoAnswer(f"{path}: {status} {answer if status == 0 else ''}")


@dataclass
class Grants:
    """An operator's grants, each retried under its key until it is acknowledged."""

    teller: Teller
    ingest_url: str
    operator_key: SecretStr
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Idempotency key → user."""
    attempts: int = 0

    async def give(self, number: int, give_up: Callable[[], bool]) -> None:
        user, key = f"granted-{self.teller.seed}-{number}", f"grant-{self.teller.seed}-{number}"
        mint = TokenMint(self.operator_key, "operator")
        body = {"userId": user, "action": "grant", "reason": "fault test", "idempotencyKey": key, "operator": "tests"}
        while not give_up():
            self.attempts += 1
            headers = {"authorization": f"Bearer {mint.token('webhook-ingest', 'operator')}"}
            try:
                async with (
                    asyncio.timeout(CLIENT_SECONDS),
                    self.teller.http.post(
                        f"{self.ingest_url}/operator/adjustments", json=body, headers=headers
                    ) as answer,
                ):
                    if answer.status == 200:
                        self.acknowledged[key] = user
                        return
                    # 401: the door's clock is more than a minute ahead of the operator's.
                    if answer.status not in (401, 503):
                        raise Wrong(f"grant answered {answer.status}: {await answer.text()}")
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            await asyncio.sleep(0.3)


@dataclass
class Workload:
    """Stories and grants, told for as long as told to."""

    teller: Teller
    grants: Grants
    stories: list[FaultyStory] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def prepare(self, stories: int) -> None:
        """So many people are about to pay."""
        self.stories = [FaultyStory(self.teller, number) for number in range(stories)]
        await asyncio.gather(*(story.prepare() for story in self.stories))

    async def run(self, at_once: int, enough: Callable[[], bool]) -> None:
        """Until ``enough``; what has begun is finished."""
        prepared = deque(self.stories)

        async def tell() -> None:
            while not enough():
                if prepared:
                    story = prepared.popleft()
                else:
                    self.stories.append(story := FaultyStory(self.teller, len(self.stories)))
                try:
                    await story.play()
                except (Wrong, TimeoutError, aiohttp.ClientError) as problem:
                    self.wrong.append(f"{type(problem).__name__}: {problem}\n{story.told()}")

        async def grant() -> None:
            number = 0
            while not enough():
                await self.grants.give(number, enough)
                number += 1
                await asyncio.sleep(0.2)

        async with self.teller.weather():
            await asyncio.gather(grant(), *(tell() for _ in range(at_once)))

    @property
    def answers(self) -> Counter[str]:
        return sum((story.answers for story in self.stories), Counter())
