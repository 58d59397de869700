"""Mirrors of the streams in the readers' account of the broker."""

from __future__ import annotations

from collections.abc import Mapping

from atlas_operator.local import running_stack
from atlas_operator.target import Target


def admin_url(target: Target, given: Mapping[str, str]) -> str | None:
    """The broker's URL with credentials that may change streams: the local stack's, else ``NATS_ADMIN_URL``."""
    running = running_stack(given) if target.local else None
    return running.operator.get("nats_admin_url") if running else given.get("NATS_ADMIN_URL")


def remake(admin: str | None) -> list[str]:  # noqa: ARG001 - for the mirrors, which don't exist yet
    """Make each mirror anew whose origin was made anew, because it would go on with the old one's messages.

    ``./atlas republish`` calls it once everything at the origin is right, and shows the sentences that it returns: one
    for each mirror that was made anew, or that could not be. There are no mirrors yet, so there is nothing to make.
    """
    return []
