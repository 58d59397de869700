"""``python -m atlas_operator.desk``: the support desk, configured by its environment."""

from __future__ import annotations

import argparse
import os
import sys

from atlas_kit.process.loading import loading

with loading():
    from atlas_kit.http.app import Address, serve
    from atlas_kit.process.settings import EXIT_CONFIGURATION, load_or_exit
    from atlas_operator.desk.app import SERVICE, build
    from atlas_operator.desk.settings import DeskSettings
    from atlas_operator.desk.support import Support
    from atlas_operator.errors import NoTarget
    from atlas_operator.target import find_exactly

DEFAULT_PORT = 8005


def main() -> None:
    settings = load_or_exit(DeskSettings, dict(os.environ))
    parser = argparse.ArgumentParser(prog="python -m atlas_operator.desk")
    parser.add_argument("--host", default=settings.host)
    parser.add_argument("--port", type=int, default=settings.port or DEFAULT_PORT)
    arguments = parser.parse_args()
    try:
        target = find_exactly(os.environ)
    except NoTarget as error:
        print(f"configuration: {error}", file=sys.stderr)
        sys.exit(EXIT_CONFIGURATION)
    serve(
        build(settings, Support(target, two_people=settings.desk_two_people)),
        service=SERVICE,
        address=Address(arguments.host, arguments.port),
        log_level=settings.log_level,
        max_connections=settings.http_max_connections,
        obsolete={},
    )


if __name__ == "__main__":
    main()
