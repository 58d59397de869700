"""One stack for all end-to-end tests that leave it healthy; those that break things start their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.buyer import Buyer
from support.stack import Stack, running_stack

BESIDE_OTHERS = (
    "compose/", "faults/test_alerts.py", "faults/test_clocks.py", "faults/test_failpoints.py", "faults/test_faults.py", "faults/test_full_disk.py",
    "faults/test_rolling.py", "faults/test_runbook.py", "security/test_canaries.py", "stories/",
)  # fmt: skip
"""These have a stack of their own, and no bound of theirs is a matter of seconds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares the healthy stack or measures times runs `alone`, after all that runs beside each other."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and not item.path.relative_to(here).as_posix().startswith(BESIDE_OTHERS):
            item.add_marker("alone")


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
