"""Who plays life stories against a stack: how it asks Stripe and the sandbox, and the weather it makes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import aiohttp

from support.bought import Wrong
from support.stack import Stack

WEATHER_CHANGES_EVERY_SECONDS = 0.4


class Teller:
    """Plays stories against one stack."""

    def __init__(self, stack: Stack, seed: str, http: aiohttp.ClientSession) -> None:
        found = stack.json
        self.seed, self.http = seed, http
        self.gateway_url = found["services"]["account-gateway"]["url"]
        self.sandbox_url = found["sandbox"]["url"]
        self.price = found["sandbox"]["price_id"]
        self.secret, self.cookie = found["auth"]["nextauth_secret"], found["auth"]["cookie"]
        self._key = {"authorization": f"Bearer {found['sandbox']['secret_key']}"}

    async def sandbox(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        async with self.http.request(method, f"{self.sandbox_url}/_sandbox{path}", json=body or {}) as answer:
            if answer.status != 200:
                raise Wrong(f"{path} {body}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def stripe(self, method: str, path: str, form: dict[str, str] | None = None) -> Any:
        async with self.http.request(method, self.sandbox_url + path, data=form, headers=self._key) as answer:
            if answer.status != 200:
                raise Wrong(f"{path} {form}: {answer.status} {await answer.text()}")
            return await answer.json()

    @contextlib.asynccontextmanager
    async def weather(self) -> AsyncIterator[None]:
        """Webhooks dropped, held, duplicated, shuffled and delayed, ever anew; in the end they travel normally."""
        chance = Random(f"{self.seed}:weather")

        async def change() -> None:
            while True:
                await self.sandbox(
                    "PUT",
                    "/delivery",
                    {
                        "mode": chance.choice(("normal", "normal", "drop", "hold")),
                        "duplicate": chance.choice((0, 0, 1, 3)),
                        "shuffle": chance.random() < 0.5,
                        "delay_ms": chance.choice((0, 0, 200, 1500)),
                    },
                )
                if chance.random() < 0.3:
                    await self.sandbox("POST", "/delivery/flush")
                await asyncio.sleep(WEATHER_CHANGES_EVERY_SECONDS)

        changing = asyncio.create_task(change())
        try:
            yield
        finally:
            changing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await changing
            await self.sandbox("PUT", "/delivery", {"mode": "drop"})
