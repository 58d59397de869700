"""One stack for all end-to-end tests that leave it healthy; those that break things start their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.buyer import Buyer
from support.stack import Stack, running_stack

# Tests are named by the seed that they draw: both lanes have to draw the same ones.
if run := os.environ.get("PYTEST_XDIST_TESTRUNUID"):
    os.environ.setdefault("ATLAS_SEED", run[:8])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What stays together when `./atlas test` runs two lanes: a file, and all that shares the containers."""
    for item in items:
        inside = item.path.relative_to(Path(__file__).parent)
        together = "compose" if inside.parts[0] == "compose" else str(inside)
        item.add_marker(pytest.mark.xdist_group(together))


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A healthy stack, shared. No test may leave it otherwise than it found it; users are never shared."""
    with running_stack({"RATE_LIMIT_CHECKOUT": "200/60", "RATE_LIMIT_RESTORE": "200/60"}) as running:
        yield running


@pytest.fixture
def buyer(stack: Stack) -> Iterator[Buyer]:
    """A signed-in user that nobody else is."""
    someone = Buyer(stack)
    yield someone
    someone.browser.close()
