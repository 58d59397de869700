"""``python -m webhook_ingest [--host H] [--port P]``."""

from __future__ import annotations

import os

from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_kit.http.app import parse_arguments, serve
from atlas_kit.process.settings import load_or_exit
from webhook_ingest.app import build
from webhook_ingest.settings import DEFAULT_PORT, IngestSettings


def main() -> None:
    """Serve until told to stop."""
    settings = load_or_exit(IngestSettings, dict(os.environ))
    host, port = parse_arguments("webhook_ingest", DEFAULT_PORT, settings)
    serve(
        build(settings),
        service=INGEST_SERVICE,
        host=host,
        port=port,
        log_level=settings.log_level,
        max_connections=settings.http_max_connections,
        obsolete=settings.obsolete(),
    )


if __name__ == "__main__":
    main()
