"""How long each stream keeps its messages: `./atlas doctor --fix` gives an existing stream what is configured."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from atlas_contracts.streams import StreamSpec
from atlas_kit.messaging.retention import RetentionNotApplied, apply_retention, in_days
from atlas_operator.doctor.finding import Report

AREA = "retention"


def mend(admin_url: str | None, streams: Sequence[StreamSpec]) -> Report:
    """Apply the retention with the credentials that may update streams, and report each stream that changed."""
    report = Report(AREA)
    if not admin_url:
        report.error(
            "nothing was changed: NATS_ADMIN_URL is missing",
            "Set it to the broker's URL with a user who may update streams.",
        )
        return report
    try:
        applied = asyncio.run(apply_retention(admin_url, streams))
    except RetentionNotApplied as error:
        report.error(f"not every stream has its retention. {error}", "Look at NATS_ADMIN_URL, then run it again.")
        return report
    changed = [each for each in applied if each.changed]
    for each in changed:
        kept = in_days(each.stream.max_age_seconds)
        report.ok(f"stream {each.stream.name} keeps its messages {kept} now (before: {each.before})")
    if not changed:
        report.ok("nothing had to be changed")
    return report
