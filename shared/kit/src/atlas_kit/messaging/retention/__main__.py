"""``python -m atlas_kit.messaging.retention``: applies the retention once, as its environment says."""

from __future__ import annotations

import asyncio
import os
import sys

from atlas_contracts.streams import STATE, STREAMS
from atlas_kit.messaging.retention import RetentionNotApplied, apply_retention, in_days
from atlas_kit.process.settings import NatsUrl, RetentionSettings, load_or_exit


class ApplySettings(RetentionSettings):
    """The retention, and the credentials that may change streams."""

    nats_admin_url: NatsUrl


def main() -> int:
    """Apply the retention once. Exit code 0, 1 where the broker didn't do it, 2 for a bad configuration."""
    settings = load_or_exit(ApplySettings, dict(os.environ))
    url = settings.nats_admin_url.get_secret_value()
    try:
        applied = asyncio.run(apply_retention(url, settings.kept(*STREAMS, STATE)))
    except RetentionNotApplied as error:
        print(error, file=sys.stderr)
        return 1
    for each in applied:
        if each.changed:
            days = in_days(each.stream.max_age_seconds)
            print(f"stream {each.stream.name} keeps its messages {days} now; before {each.before}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
