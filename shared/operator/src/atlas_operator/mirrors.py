"""Mirrors of the streams in the readers' account of the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from atlas_contracts.streams import MIRRORED
from atlas_kit.messaging.retention import KeepingFailed
from atlas_kit.messaging.retention.mirrors import NoReaders, apply_mirrors
from atlas_operator.local import running_stack
from atlas_operator.target import Target


def admin_url(target: Target, given: Mapping[str, str]) -> str | None:
    """The broker's URL with credentials that may change streams: the local stack's, else ``NATS_ADMIN_URL``."""
    running = running_stack(given) if target.local else None
    return running.operator.get("nats_admin_url") if running else given.get("NATS_ADMIN_URL")


def remake(admin: str | None, replicas: int) -> list[str]:
    """Make each mirror anew whose origin was made anew, because it would go on with the old one's messages.

    ``./atlas republish`` calls it once everything at the origin is right, and shows the sentences that it returns: one
    for each mirror that was mended, or for all if they could not be.
    """
    if admin is None:
        return ["The readers' mirrors were not looked at: set NATS_ADMIN_URL, or run ./atlas doctor --fix with it."]
    try:
        applied = asyncio.run(apply_mirrors(admin, MIRRORED, replicas))
    except NoReaders:  # nobody reads a mirror there
        return []
    except KeepingFailed as failure:
        return [f"The readers' mirrors were not looked at. {failure}"]
    return [f"The readers' mirror of {each.stream.name} was {each.state}." for each in applied if each.state != "kept"]
