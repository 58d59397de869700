"""``python -m stripe_sandbox``: run the sandbox."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import uvicorn

from stripe_sandbox.app import create_app
from stripe_sandbox.settings import ConfigurationError, load

CONFIGURATION_EXIT_CODE = 2


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, check the configuration, serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m stripe_sandbox", description="A stateful stand-in for Stripe.")
    parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8004")))
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=os.environ.get("SANDBOX_DATA_DIR") or None,
        help="keep the state in this directory over restarts (also SANDBOX_DATA_DIR)",
    )
    options = parser.parse_args(arguments)
    try:
        settings = load(os.environ, options.host, options.port)
    except ConfigurationError as error:
        for problem in error.problems:
            print(f"configuration: {problem}", file=sys.stderr)
        return CONFIGURATION_EXIT_CODE
    uvicorn.run(
        create_app(settings, options.state_dir),
        host=options.host,
        port=options.port,
        log_level=os.environ.get("LOG_LEVEL", "warning").lower(),
        access_log=False,
        server_header=False,
        date_header=False,  # uvicorn's lags behind by up to a second; the API dates its answers itself
        timeout_graceful_shutdown=5,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
