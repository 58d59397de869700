"""``python -m atlas_kit.messaging.snapshots``: ``save`` or ``restore`` a folder, as its environment says."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from pydantic import Field

from atlas_kit.messaging.retention import KeepingFailed
from atlas_kit.messaging.snapshots import restore, save
from atlas_kit.process.settings import GivenSettings, NatsUrl, load_or_exit


class SnapshotSettings(GivenSettings):
    """The broker, with a user who may take and restore snapshots (``admin`` of deploy/nats.conf)."""

    nats_backup_url: NatsUrl
    nats_stream_replicas: int | None = Field(default=None, ge=1, le=5)


def main() -> int:
    """``save FOLDER`` or ``restore FOLDER``. Exit code 0, 1 where it could not be done, 2 for a bad configuration."""
    parser = argparse.ArgumentParser(
        prog="python -m atlas_kit.messaging.snapshots", description="Streams to files and back."
    )
    parser.add_argument("action", choices=("save", "restore"))
    parser.add_argument("folder", type=Path)
    chosen = parser.parse_args()
    settings = load_or_exit(SnapshotSettings, dict(os.environ))
    url = settings.nats_backup_url.get_secret_value()
    if not chosen.folder.is_dir():
        print(f"{chosen.folder} is no folder.", file=sys.stderr)
        return 1
    try:
        if chosen.action == "save":
            done = asyncio.run(save(url, chosen.folder))
        else:
            done = asyncio.run(restore(url, chosen.folder, settings.nats_stream_replicas))
    except (KeepingFailed, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{'saved' if chosen.action == 'save' else 'restored'}: {', '.join(done)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
