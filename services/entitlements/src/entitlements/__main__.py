"""``python -m entitlements [--host H] [--port P]`` serves; ``migrate``, ``rebuild [--verify]`` and
``republish [--user U]`` do only that.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys

from atlas_kit.process.loading import ABSENT_IN_IMAGES, loading

with loading(without=ABSENT_IN_IMAGES):
    from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE
    from atlas_kit.http.app import serve_as
    from atlas_kit.process.settings import load_or_exit
    from atlas_kit.storage import migrations
    from entitlements.app import build
    from entitlements.entrypoints import once
    from entitlements.settings import DEFAULT_PORT, EntitlementsSettings
    from entitlements.use_cases import rebuild

SHOWN = 100
"""How many of the differing users, and of the differing payments, the result lists at most."""


def main() -> None:
    settings = load_or_exit(EntitlementsSettings, dict(os.environ))
    match sys.argv[1:]:
        case ["migrate"]:
            owner = settings.database_migration_url or settings.database_url
            migrations.upgrade(owner.get_secret_value(), "entitlements")
        case ["rebuild", *options]:
            asyncio.run(_rebuild(settings, verify_only="--verify" in options))
        case ["republish", *options]:
            sys.exit(asyncio.run(once.republish(settings, options)))
        case _:
            serve_as(ENTITLEMENTS_SERVICE, build, settings, package="entitlements", default_port=DEFAULT_PORT)


async def _rebuild(settings: EntitlementsSettings, *, verify_only: bool) -> None:
    """Compute the projection anew; progress and result go to stdout as NDJSON."""

    def progress(done: int, total: int) -> None:
        print(json.dumps({"done": done, "total": total}), flush=True)

    gc.disable()  # nothing can be freed while the ledger is read, and collecting costs a tenth of the time
    dsn, policy = settings.database_url.get_secret_value(), settings.policy()
    if verify_only:
        _, found, _ = await rebuild.verify(dsn, policy, progress)
    else:
        found = await rebuild.rebuild(dsn, policy, progress)
    states = await once.compared(settings) if verify_only else None
    result = {
        "facts": found.facts,
        "differences": found.count,
        "users": found.users[:SHOWN],
        "payments": found.payments[:SHOWN],
        "repaired": not verify_only and found.count > 0,
        **({"states": states} if states else {}),
    }
    print(json.dumps({"result": result}), flush=True)


if __name__ == "__main__":
    main()
