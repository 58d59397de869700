"""``python -m entitlements [--host H] [--port P]`` serves; ``migrate`` and ``rebuild [--verify]`` do only that."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys

from atlas_kit.http.app import parse_arguments, serve
from atlas_kit.process.settings import load_or_exit
from atlas_kit.storage import migrations
from entitlements.app import build
from entitlements.settings import DEFAULT_PORT, Settings
from entitlements.use_cases import rebuild

SHOWN = 100
"""How many of the differing users, and of the differing payments, the result lists at most."""


def main() -> None:
    settings = load_or_exit(Settings, dict(os.environ))
    match sys.argv[1:]:
        case ["migrate"]:
            owner = settings.database_migration_url or settings.database_url
            migrations.upgrade(owner.get_secret_value(), "entitlements")
        case ["rebuild", *options]:
            asyncio.run(_rebuild(settings, verify_only="--verify" in options))
        case _:
            host, port = parse_arguments("entitlements", DEFAULT_PORT, settings)
            serve(
                build(settings),
                service="entitlements",
                host=host,
                port=port,
                log_level=settings.log_level,
                max_connections=settings.http_max_connections,
            )


async def _rebuild(settings: Settings, *, verify_only: bool) -> None:
    """Compute the projection anew; progress and result go to stdout as NDJSON."""

    def progress(done: int, total: int) -> None:
        print(json.dumps({"done": done, "total": total}), flush=True)

    gc.disable()  # nothing can be freed while the ledger is read, and collecting costs a tenth of the time
    dsn, policy = settings.database_url.get_secret_value(), settings.policy()
    if verify_only:
        _, found, _ = await rebuild.verify(dsn, policy, progress)
    else:
        found = await rebuild.rebuild(dsn, policy, progress)
    result = {
        "facts": found.facts,
        "differences": found.count,
        "users": found.users[:SHOWN],
        "payments": found.payments[:SHOWN],
        "repaired": not verify_only and found.count > 0,
    }
    print(json.dumps({"result": result}), flush=True)


if __name__ == "__main__":
    main()
