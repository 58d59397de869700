"""``python -m account_gateway``: the service, configured by its environment."""

from __future__ import annotations

import os

from atlas_kit.process.loading import ABSENT_IN_IMAGES, loading

with loading(without=ABSENT_IN_IMAGES):
    from account_gateway.app import build
    from account_gateway.settings import GatewaySettings
    from atlas_contracts.internal_api import GATEWAY_SERVICE
    from atlas_kit.http.app import serve_as
    from atlas_kit.process.settings import load_or_exit

DEFAULT_PORT = 8000


def main() -> None:
    settings = load_or_exit(GatewaySettings, dict(os.environ))
    serve_as(GATEWAY_SERVICE, build, settings, package="account_gateway", default_port=DEFAULT_PORT)


if __name__ == "__main__":
    main()
