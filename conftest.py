"""Fixtures every test may use."""

from __future__ import annotations

import functools

import httpx._transports.default as httpx_transports
import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# A busy machine is no failure: pytest's own time-out is the bound.
settings.register_profile("atlas", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("atlas")

# Each httpx client, and each `httpx.get`, reads all certificate authorities anew: tens of milliseconds of processor
# time, and tests make thousands of both. What is read the same way is the same, so each process reads it once.
httpx_transports.create_ssl_context = functools.cache(httpx_transports.create_ssl_context)

pytest_plugins = ["support.servers"]

ONE_STACK = (
    ("e2e/browser/", "e2e/journeys/", "e2e/security/test_internal_routes.py"),
    ("e2e/compose/",),
    ("e2e/nextjs/",),
    ("tests/integration/stack/operator/",),
)
"""What shares a stack, a build or the one Compose project: each row is one worker's."""
LONGEST = ("/e2e/compose/", "/e2e/", "/integration/stack/")
"""What starts containers or whole stacks takes the longest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest begin first, so that no worker is left with them in the end."""

    def rank(item: pytest.Item) -> int:
        return next((number for number, part in enumerate(LONGEST) if part in item.path.as_posix()), len(LONGEST))

    items.sort(key=rank)


class ByFile(LoadScopeScheduling):
    """A file is one worker's, and so is a row of :data:`ONE_STACK`."""

    def _split_scope(self, nodeid: str) -> str:
        return next((row[0] for row in ONE_STACK if nodeid.startswith(row)), nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    """Instead of `--dist loadfile`'s own."""
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio: the services do."""
    return "asyncio"
