"""One stack for all end-to-end tests that leave it healthy; those that break things start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.buyer import Buyer
from support.stack import Stack, running_stack


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
