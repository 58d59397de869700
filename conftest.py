"""Fixtures every test may use."""

from __future__ import annotations

import pytest

pytest_plugins = ["support.servers"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio: the services do."""
    return "asyncio"
