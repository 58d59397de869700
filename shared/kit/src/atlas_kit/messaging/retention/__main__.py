"""``python -m atlas_kit.messaging.retention``: applies the retention once and makes the readers' mirrors, as its
environment says.
"""

from __future__ import annotations

import asyncio
import os
import sys

from atlas_kit.process.loading import ABSENT_IN_IMAGES, loading

with loading(without=ABSENT_IN_IMAGES):
    from pydantic import Field

    from atlas_contracts.streams import STATE, STREAMS
    from atlas_kit.messaging.retention import KeepingFailed, apply_retention, in_days
    from atlas_kit.messaging.retention.mirrors import Mirror, apply_mirrors
    from atlas_kit.process.settings import NatsUrl, RetentionSettings, load_or_exit


class ApplySettings(RetentionSettings):
    """The retention, and the credentials that may change streams and make mirrors; without the latter none are made."""

    nats_admin_url: NatsUrl
    nats_readers_admin_url: NatsUrl | None = None
    nats_stream_replicas: int = Field(default=1, ge=1, le=5)


def main() -> int:
    """Apply both once. Exit code 0, 1 where the broker didn't do it, 2 for a bad configuration."""
    settings = load_or_exit(ApplySettings, dict(os.environ))
    url, streams = settings.nats_admin_url.get_secret_value(), settings.kept(*STREAMS, STATE)
    mirrors: list[Mirror] = []
    try:
        applied = asyncio.run(apply_retention(url, streams))
        if theirs := settings.nats_readers_admin_url:
            replicas = settings.nats_stream_replicas
            mirrors = asyncio.run(apply_mirrors(url, theirs.get_secret_value(), streams, replicas))
    except KeepingFailed as error:
        print(error, file=sys.stderr)
        return 1
    for each in applied:
        if each.changed:
            days = in_days(each.stream.max_age_seconds)
            print(f"stream {each.stream.name} keeps its messages {days} now; before {each.before}")
    for mirror in mirrors:
        if mirror.state != "kept":
            print(f"the readers' mirror of {mirror.stream.name} was {mirror.state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
