"""``python -m entitlements [--host H] [--port P]`` serves; ``python -m entitlements migrate`` only migrates."""

from __future__ import annotations

import os
import sys

from atlas_kit import migrations
from atlas_kit.http_app import parse_arguments, serve
from atlas_kit.settings import load_or_exit
from entitlements.app import build
from entitlements.settings import DEFAULT_PORT, Settings


def main() -> None:
    settings = load_or_exit(Settings, dict(os.environ))
    if sys.argv[1:] == ["migrate"]:
        owner = settings.database_migration_url or settings.database_url
        migrations.upgrade(owner.get_secret_value(), "entitlements")
        return
    host, port = parse_arguments("entitlements", DEFAULT_PORT, settings)
    serve(build(settings), service="entitlements", host=host, port=port, log_level=settings.log_level)


if __name__ == "__main__":
    main()
