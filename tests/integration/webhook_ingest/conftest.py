"""One service and one broker for all tests that only add events; they look for their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.embedded import embedded_nats
from support.ingest import Ingest, running_ingest


@pytest.fixture(scope="session")
def shared_ingest() -> Iterator[Ingest]:
    with embedded_nats() as nats_url, running_ingest(nats_url) as ingest:
        yield ingest


@pytest.fixture
def ingest(nats_url: str) -> Iterator[Ingest]:
    """A service and a broker of this test's own."""
    with running_ingest(nats_url) as running:
        yield running
