"""One stack for all tests of the operator's commands; `ByFile` in tests/conftest.py gives this folder to one worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.buyer import Buyer
from support.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    # No scheduled pull: what a webhook did not bring stays missing until somebody pulls.
    with running_stack({"BILLING_PULL_INTERVAL_SECONDS": "0"}, desk=True) as running:
        yield running


@pytest.fixture
def buyer(stack: Stack) -> Iterator[Buyer]:
    someone = Buyer(stack)
    yield someone
    someone.browser.close()


@pytest.fixture
def deaf(buyer: Buyer) -> Iterator[Buyer]:
    """A buyer whose webhooks are lost."""
    buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "drop"})
    yield buyer
    buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "normal"})
