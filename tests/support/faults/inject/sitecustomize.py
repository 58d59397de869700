"""Python imports this module first of all in each process of a stack under test (it is put on PYTHONPATH).

It leads a service's connections through the proxies of the test, moves its clock, and lets it die at a chosen line. The
services themselves know nothing of it. ``ATLAS_FAILPOINT_ROUTES``: a JSON file, module → {address: address of the proxy}.
``ATLAS_FAILPOINT_PEERS``: the proxies between the broker's nodes, see ``peers.py``.
``ATLAS_FAILPOINT_CLOCKS``: a folder with a file per module, see ``clocks.py``.
``ATLAS_FAILPOINT_FILE``: whoever finds its point's name there dies there, see ``failpoints.py``.
"""

import json
import os
import sys


def _module() -> str:
    arguments = sys.orig_argv
    return arguments[arguments.index("-m") + 1] if "-m" in arguments[:-1] else ""


def _reroute(path: str, module: str) -> None:
    with open(path) as file:
        routes = json.load(file).get(module, {})
    for name, value in list(os.environ.items()):
        if name.endswith(("_URL", "_API_BASE")):
            for address, proxy in routes.items():
                value = value.replace(address, proxy)
            os.environ[name] = value


if "ATLAS_FAILPOINT_ROUTES" in os.environ:
    _reroute(os.environ["ATLAS_FAILPOINT_ROUTES"], _module())
if "ATLAS_FAILPOINT_PEERS" in os.environ and _module() == "atlas_localstack.stack":
    import peers

    peers.install(os.environ["ATLAS_FAILPOINT_PEERS"])
if os.path.exists(clock := os.path.join(os.environ.get("ATLAS_FAILPOINT_CLOCKS", ""), _module() or "nobody")):
    import clocks
    import imports

    clocks.install(clock)
    imports.change_packages(clocks.OURS, clocks.change)
if "ATLAS_FAILPOINT_FILE" in os.environ:
    import failpoints

    failpoints.install(os.environ["ATLAS_FAILPOINT_FILE"], _module(), os.environ.get("ATLAS_FAILPOINT_SABOTAGE"))
