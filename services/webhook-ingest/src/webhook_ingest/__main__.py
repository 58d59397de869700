"""``python -m webhook_ingest [--host H] [--port P]``."""

from __future__ import annotations

import os

from atlas_kit.process.loading import ABSENT_IN_IMAGES, loading

with loading(without=ABSENT_IN_IMAGES):
    from atlas_contracts.internal_api import INGEST_SERVICE
    from atlas_kit.http.app import serve_as
    from atlas_kit.process.settings import load_or_exit
    from webhook_ingest.app import build
    from webhook_ingest.settings import DEFAULT_PORT, IngestSettings


def main() -> None:
    """Serve until told to stop."""
    settings = load_or_exit(IngestSettings, dict(os.environ))
    serve_as(INGEST_SERVICE, build, settings, package="webhook_ingest", default_port=DEFAULT_PORT)


if __name__ == "__main__":
    main()
