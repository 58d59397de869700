"""Fixtures every test may use."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no failure: pytest's own time-out is the bound.
settings.register_profile("atlas", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("atlas")

pytest_plugins = ["support.servers"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole stacks take the longest: they begin first, so that no worker is left with them in the end."""
    items.sort(key=lambda item: "integration/stack" not in item.path.as_posix())


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio: the services do."""
    return "asyncio"
