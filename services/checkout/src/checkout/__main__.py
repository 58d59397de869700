"""``python -m checkout [--host H] [--port P]`` serves; ``python -m checkout migrate`` only migrates the database."""

from __future__ import annotations

import os
import sys

from atlas_kit.process.loading import ABSENT_IN_IMAGES, loading

with loading(without=ABSENT_IN_IMAGES):
    from atlas_contracts.internal_api import CHECKOUT_SERVICE
    from atlas_kit.http.app import serve_as
    from atlas_kit.process.settings import load_or_exit
    from atlas_kit.storage import migrations
    from checkout.app import build
    from checkout.settings import DEFAULT_PORT, CheckoutSettings


def main() -> None:
    settings = load_or_exit(CheckoutSettings, dict(os.environ))
    if sys.argv[1:] == ["migrate"]:
        url = settings.database_migration_url or settings.database_url
        migrations.upgrade(url.get_secret_value(), "checkout")
        return
    serve_as(CHECKOUT_SERVICE, build, settings, package="checkout", default_port=DEFAULT_PORT)


if __name__ == "__main__":
    main()
