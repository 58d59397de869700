"""A gateway in front of stand-ins, for the whole directory; every test has users of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from account_gateway.entrypoints.live.stream import StreamTimes
from support.gateway import StandIn, running_gateway, stand_in


@dataclass
class World:
    """``client`` talks to the gateway; ``entitlements`` and ``checkout`` stand behind it."""

    client: httpx.Client
    entitlements: StandIn
    checkout: StandIn

    @property
    def origin(self) -> str:
        return str(self.client.base_url).rstrip("/")


@pytest.fixture(scope="session")
def _world() -> Iterator[World]:
    with stand_in() as entitlements, stand_in() as checkout:
        times = StreamTimes(life=2, heartbeat=0.3, poll_without_broker=0.1, poll_with_broker=0.2)
        with running_gateway(
            times, ENTITLEMENTS_URL=entitlements.url, CHECKOUT_URL=checkout.url, ATLAS_DEV_SIGN_IN="true"
        ) as client:
            yield World(client, entitlements, checkout)


@pytest.fixture
def world(_world: World) -> World:
    _world.entitlements.reset()
    _world.checkout.reset()
    _world.client.cookies.clear()
    return _world
