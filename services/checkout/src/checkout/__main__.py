"""``python -m checkout [--host H] [--port P]`` serves; ``python -m checkout migrate`` only migrates the database."""

from __future__ import annotations

import os
import sys

from atlas_kit.http.app import parse_arguments, serve
from atlas_kit.process.settings import load_or_exit
from atlas_kit.storage import migrations
from checkout.app import build
from checkout.settings import DEFAULT_PORT, Settings


def main() -> None:
    settings = load_or_exit(Settings, dict(os.environ))
    if sys.argv[1:] == ["migrate"]:
        url = settings.database_migration_url or settings.database_url
        migrations.upgrade(url.get_secret_value(), "checkout")
        return
    host, port = parse_arguments("checkout", DEFAULT_PORT, settings)
    serve(
        build(settings),
        service="checkout",
        host=host,
        port=port,
        log_level=settings.log_level,
        max_connections=settings.http_max_connections,
        obsolete=settings.obsolete(),
    )


if __name__ == "__main__":
    main()
