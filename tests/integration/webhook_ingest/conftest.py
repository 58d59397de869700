"""One service and one broker for all tests that only add events; they look for their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from support.embedded import embedded_nats
from support.ingest import Ingest, running_ingest
from support.pulling import World, running_world


@pytest.fixture(scope="session")
def shared_ingest() -> Iterator[Ingest]:
    with embedded_nats() as nats_url, running_ingest(nats_url) as ingest:
        yield ingest


@pytest.fixture
def ingest(nats_url: str) -> Iterator[Ingest]:
    """A service and a broker of this test's own."""
    with running_ingest(nats_url) as running:
        yield running


@pytest.fixture
async def world(nats_url: str) -> AsyncIterator[World]:
    """What a pull needs of the service, on a broker of this test's own."""
    async with running_world(nats_url) as running:
        yield running
