"""One Compose project for all tests of the containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.compose import ComposeStack, running_compose_stack, skip_without_compose


@pytest.fixture(scope="session")
def compose() -> Iterator[ComposeStack]:
    """The system in containers, healthy. Whoever breaks something mends it."""
    skip_without_compose()
    with running_compose_stack() as stack:
        yield stack
