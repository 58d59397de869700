"""``python -m account_gateway``: the service, configured by its environment."""

from __future__ import annotations

import os

from account_gateway.app import build
from account_gateway.settings import GatewaySettings
from atlas_kit.http.app import parse_arguments, serve
from atlas_kit.process.settings import load_or_exit

DEFAULT_PORT = 8000


def main() -> None:
    settings = load_or_exit(GatewaySettings, dict(os.environ))
    host, port = parse_arguments("account_gateway", DEFAULT_PORT, settings)
    serve(
        build(settings),
        service="account-gateway",
        host=host,
        port=port,
        log_level=settings.log_level,
        max_connections=settings.http_max_connections,
        obsolete=settings.obsolete(),
    )


if __name__ == "__main__":
    main()
