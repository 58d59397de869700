"""Mirrors of the streams in the readers' account of the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from atlas_contracts.streams import MIRRORED
from atlas_kit.messaging.retention import KeepingFailed
from atlas_kit.messaging.retention.mirrors import apply_mirrors
from atlas_kit.process.settings import ConfigurationError
from atlas_operator.local import running_stack
from atlas_operator.target import Target


@dataclass(frozen=True)
class KeeperUrls:
    """The broker's URLs with credentials that may change streams, and that may make mirrors in the readers' account."""

    ours: str | None
    readers: str | None


def keepers(target: Target, given: Mapping[str, str]) -> KeeperUrls:
    """Those of the local stack, else ``NATS_ADMIN_URL`` and ``NATS_READERS_ADMIN_URL``."""
    running = running_stack(given) if target.local else None
    if running:
        return KeeperUrls(running.operator.get("nats_admin_url"), running.operator.get("nats_readers_admin_url"))
    return KeeperUrls(given.get("NATS_ADMIN_URL"), given.get("NATS_READERS_ADMIN_URL"))


def copies(target: Target, given: Mapping[str, str]) -> int:
    """How many nodes of the broker store each stream: all of the local stack's, else ``NATS_STREAM_REPLICAS``.

    A mirror has as many as its origin; an origin that is missing is made with so many. Raises ConfigurationError.
    """
    running = running_stack(given) if target.local else None
    if running:
        return len(running.stack["nats"].get("nodes", [])) or 1
    told = given.get("NATS_STREAM_REPLICAS", "3")
    if told not in ("1", "2", "3", "4", "5"):
        raise ConfigurationError("NATS_STREAM_REPLICAS: must be a whole number from 1 to 5")
    return int(told)


def remake(keepers: KeeperUrls, replicas: int) -> list[str]:
    """Make each mirror anew whose origin was made anew, because it would go on with the old one's messages.

    ``./atlas republish`` calls it once everything at the origin is right, and shows the sentences that it returns: one
    for each mirror that was mended, or for all if they could not be.
    """
    if keepers.ours is None or keepers.readers is None:
        return ["The readers' mirrors were not looked at: set NATS_ADMIN_URL and NATS_READERS_ADMIN_URL."]
    try:
        applied = asyncio.run(apply_mirrors(keepers.ours, keepers.readers, MIRRORED, replicas))
    except KeepingFailed as failure:
        return [f"The readers' mirrors were not looked at. {failure}"]
    return [f"The readers' mirror of {each.stream.name} was {each.state}." for each in applied if each.state != "kept"]
