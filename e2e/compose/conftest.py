"""One Compose project for all tests of the containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.compose import ComposeStack, running_compose_stack, skip_without_compose

SETTINGS = {f"RATE_LIMIT_{name}": "0" for name in ("CHECKOUT", "PORTAL", "RESTORE", "CONFIRM")} | {
    "BILLING_PULL_INTERVAL_SECONDS": "0"  # the fault test pulls once, by itself
}


@pytest.fixture(scope="session")
def compose() -> Iterator[ComposeStack]:
    """The system in containers, healthy. Whoever breaks something mends it."""
    skip_without_compose()
    with running_compose_stack(SETTINGS) as stack:
        yield stack
