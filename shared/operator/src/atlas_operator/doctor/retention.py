"""How long each stream keeps its messages, and the readers' mirrors: `./atlas doctor --fix` brings both in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from atlas_contracts.streams import StreamSpec
from atlas_kit.messaging.retention import KeepingFailed, apply_retention, in_days
from atlas_kit.messaging.retention.mirrors import Mirror, apply_mirrors
from atlas_operator.doctor.finding import Report
from atlas_operator.mirrors import KeeperUrls

AREA = "retention"


def ignored(settings: Mapping[str, tuple[int, int]]) -> Report:
    """Settings of this shell that the running stack was not started with."""
    report = Report(AREA)
    for name, (given, kept) in sorted(settings.items()):
        report.warning(
            f"{name}={given} is ignored: the stack was started with {kept}",
            f"To change it: ./atlas down, then {name}={given} ./atlas up.",
        )
    return report


def mend(keepers: KeeperUrls, streams: Sequence[StreamSpec], replicas: int) -> Report:
    """Apply the retention with the credentials that may update streams, and report each stream that changed."""
    report = Report(AREA)
    if not keepers.ours:
        report.error(
            "nothing was changed: NATS_ADMIN_URL is missing",
            "Set it to the broker's URL with a user who may update streams.",
        )
        return report
    mirrors: list[Mirror] = []
    try:
        applied = asyncio.run(apply_retention(keepers.ours, streams))
        if keepers.readers:
            mirrors = asyncio.run(apply_mirrors(keepers.ours, keepers.readers, streams, replicas))
    except KeepingFailed as error:
        report.error(
            f"not every stream and mirror is as it should be. {error}", "Look at NATS_ADMIN_URL, then run it again."
        )
        return report
    changed = [each for each in applied if each.changed]
    for each in changed:
        kept = in_days(each.stream.max_age_seconds)
        report.ok(f"stream {each.stream.name} keeps its messages {kept} now (before: {each.before})")
    mended = [mirror for mirror in mirrors if mirror.state != "kept"]
    for mirror in mended:
        report.ok(f"the readers' mirror of {mirror.stream.name} was {mirror.state}")
    if not changed and not mended:
        report.ok("nothing had to be changed")
    return report
