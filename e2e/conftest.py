"""One stack for all end-to-end tests that leave it healthy; those that break things start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.buyer import Buyer
from support.stack import Stack, running_stack

BY_THEMSELVES = ("e2e/faults/test_exhausted.py", "e2e/faults/test_floods.py", "e2e/load/")
"""Their bounds are seconds. A single test of that kind says `@pytest.mark.alone`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What measures times runs `alone`, after all that runs beside each other."""
    for item in items:
        if item.nodeid.startswith(BY_THEMSELVES):
            item.add_marker("alone")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A healthy stack, shared. No test may leave it otherwise than it found it; users are never shared."""
    with running_stack({"RATE_LIMIT_CHECKOUT": "200/60", "RATE_LIMIT_RESTORE": "200/60"}, desk=True) as running:
        yield running


@pytest.fixture
def buyer(stack: Stack) -> Iterator[Buyer]:
    """A signed-in user that nobody else is."""
    someone = Buyer(stack)
    yield someone
    someone.browser.close()
