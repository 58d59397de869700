"""A stack of one process each has nobody to promote."""

from __future__ import annotations

from support.stack import Stack


def test_without_a_standby_a_promotion_is_refused_and_changes_nothing(stack: Stack) -> None:
    before = stack.json
    refused = stack.atlas("promote")
    assert refused.returncode == 1 and "This stack has no standby." in refused.stderr, refused.stderr
    assert stack.json == before and stack.status()["postgres"]["health"] == "ok"
