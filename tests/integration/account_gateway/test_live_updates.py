"""Changes travel over a real broker to every open stream of the user, and to nobody else's."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest

from account_gateway.entrypoints.live.stream import StreamTimes
from atlas_contracts.entitlements import EntitlementData
from atlas_kit.messaging.events import encode, entitlement_event
from atlas_localstack.servers.ports import free_port
from support.embedded import embedded_nats
from support.gateway import PRO, StandIn, cookie_of, entitlement_view, new_user, running_gateway, stand_in

STREAM = "/api/pro/entitlement/stream"
NEVER = 3600.0
PATIENT = StreamTimes(poll_without_broker=NEVER, poll_with_broker=NEVER)
"""Nothing but the broker can tell such a stream of a change."""


class Listener:
    """An open stream; collects what it is told."""

    def __init__(self, client: httpx.Client, user: str) -> None:
        self.told: list[dict[str, Any]] = []
        self._client = httpx.Client(base_url=client.base_url, timeout=30, trust_env=False)
        self._thread = threading.Thread(target=self._listen, args=(user,), daemon=True)
        self._thread.start()

    def _listen(self, user: str) -> None:
        try:
            with self._client.stream("GET", STREAM, headers=cookie_of(user)) as response:
                for line in response.iter_lines():
                    if line.startswith("data: "):
                        self.told.append(json.loads(line.removeprefix("data: ")))
        except httpx.HTTPError:
            pass

    def wait(self, count: int, seconds: float = 10) -> None:
        eventually(lambda: len(self.told) >= count, seconds)


def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def announce(url: str, *users: str) -> None:
    """What the entitlements service's outbox publishes when Pro begins."""

    async def publish() -> None:
        connection = await nats.connect(url)
        for user in users:
            data = EntitlementData(
                user_id=user, is_pro=True, status="active", source="stripe", active_from=datetime.now(UTC),
                active_until=None, version=1, reason="purchase", caused_by="stripe:evt_1:purchase_succeeded",
            )  # fmt: skip
            event = entitlement_event(data, "entitlement_granted", datetime.now(UTC))
            await connection.publish("entitlements.v1.entitlement_granted", encode(event))
        await connection.flush()
        await connection.close()

    asyncio.run(publish())


def subscribed(client: httpx.Client, url: str, entitlements: StandIn, user: str) -> Listener:
    """A listener of a gateway whose subscription stands: it has heard something."""
    entitlements.answer("GET /internal/entitlement", entitlement_view(user))
    listener = Listener(client, user)
    listener.wait(1)
    asked = len(entitlements.asked)
    deadline = time.monotonic() + 15
    while len(entitlements.asked) <= asked + 1:  # the look right after the first, and one caused by us
        announce(url, user)
        assert time.monotonic() < deadline, "the gateway never subscribed"
        time.sleep(0.05)
    return listener


def test_a_change_is_told_at_once_to_all_streams_of_the_user_and_to_no_one_else(nats_url: str) -> None:
    with stand_in() as entitlements, running_gateway(PATIENT, NATS_URL=nats_url, ENTITLEMENTS_URL=entitlements.url) as client:
        alice, bob = new_user(), new_user()
        first = subscribed(client, nats_url, entitlements, alice)
        asked = len(entitlements.asked)
        second, other = Listener(client, alice), Listener(client, bob)
        eventually(lambda: len(entitlements.asked) >= asked + 4)  # each looks once more, right after its first
        entitlements.answer("GET /internal/entitlement", entitlement_view(alice, **PRO))
        started = time.monotonic()
        announce(nats_url, alice)
        first.wait(2, 2)
        second.wait(2, 2)
        assert time.monotonic() - started < 1
        assert first.told[1]["isPro"] and second.told[1]["isPro"]
        assert len(other.told) == 1


def test_unreadable_changes_are_survived(nats_url: str) -> None:
    with stand_in() as entitlements, running_gateway(PATIENT, NATS_URL=nats_url, ENTITLEMENTS_URL=entitlements.url) as client:
        user = new_user()
        listener = subscribed(client, nats_url, entitlements, user)

        async def junk() -> None:
            connection = await nats.connect(nats_url)
            for payload in (b"", b"{", b"[]", b'{"data":{"userId":7}}', b"\xff" * 1000, b"[" * 100_000):
                await connection.publish("entitlements.v1.entitlement_granted", payload)
            await connection.close()

        asyncio.run(junk())
        entitlements.answer("GET /internal/entitlement", entitlement_view(user, **PRO))
        announce(nats_url, user)
        listener.wait(2)


def test_what_happens_while_the_broker_is_away_is_told_when_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    with stand_in() as entitlements:
        with embedded_nats(port=port, store=tmp_path) as url:
            gateway = running_gateway(PATIENT, NATS_URL=url, ENTITLEMENTS_URL=entitlements.url)
            client = gateway.__enter__()
            listener = subscribed(client, url, entitlements, new_user())
        try:
            entitlements.answer("GET /internal/entitlement", entitlement_view("whoever", **PRO))
            assert client.get("/readyz").status_code == 200, "a broker outage must not lock anybody out"
            with embedded_nats(port=port, store=tmp_path):
                listener.wait(2, 15)
                assert listener.told[-1]["isPro"]
        finally:
            gateway.__exit__(None, None, None)


def test_a_gateway_that_starts_before_the_broker_listens_as_soon_as_it_is_there(tmp_path: Path) -> None:
    port = free_port()
    url = f"nats://127.0.0.1:{port}"
    with stand_in() as entitlements, running_gateway(PATIENT, NATS_URL=url, ENTITLEMENTS_URL=entitlements.url) as client:
        user = new_user()
        entitlements.answer("GET /internal/entitlement", entitlement_view(user))
        assert client.get("/api/pro/entitlement", headers=cookie_of(user)).status_code == 200
        with embedded_nats(port=port, store=tmp_path):
            subscribed(client, url, entitlements, user)


def test_the_gateway_needs_no_more_than_to_listen(tmp_path: Path) -> None:
    """Its NATS user may subscribe to entitlements.v1.> and nothing else."""
    authorization = """
    authorization { users = [
      { user: gateway, password: pw, permissions: {
          publish: { deny: [">"] }, subscribe: { allow: ["entitlements.v1.>", "_INBOX_gateway.>"] } } }
      { user: admin, password: pw }
    ] }
    """
    with stand_in() as entitlements, embedded_nats(authorization) as url:
        mine, admin = (url.replace("nats://", f"nats://{user}:pw@") for user in ("gateway", "admin"))
        environment = {"NATS_URL": mine, "NATS_INBOX_PREFIX": "_INBOX_gateway", "ENTITLEMENTS_URL": entitlements.url}
        with running_gateway(PATIENT, **environment) as client:
            subscribed(client, admin, entitlements, new_user())


@pytest.mark.parametrize("count", [200])
def test_many_streams_of_many_users(nats_url: str, count: int) -> None:
    """One subscription serves them all, and closed ones leave nothing behind."""

    async def listen(base: str, told: list[str]) -> None:
        async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as client:
            async with client.stream("GET", STREAM, headers=cookie_of(new_user())) as response:
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        told.append(line)
                        if len(told) >= count:
                            return

    with stand_in() as entitlements, running_gateway(PATIENT, NATS_URL=nats_url, ENTITLEMENTS_URL=entitlements.url) as client:
        entitlements.answer("GET /internal/entitlement", entitlement_view("whoever"))
        told = list[str]()

        async def run() -> None:
            streams = [asyncio.create_task(listen(str(client.base_url), told)) for _ in range(count)]
            deadline = time.monotonic() + 30
            while len(told) < count and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
            for stream in streams:
                stream.cancel()
            await asyncio.gather(*streams, return_exceptions=True)

        asyncio.run(run())
        assert len(told) == count
        assert client.get("/api/health").status_code == 200
