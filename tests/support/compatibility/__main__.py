"""``PYTHONPATH=tests python -m support.compatibility check`` or ``… release VERSION``."""

from __future__ import annotations

import argparse
import sys

from support.compatibility import releases
from support.compatibility.judgement import breaking


def main() -> int:
    """0 when nothing breaks, or the release is written; else 1, with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m support.compatibility", description="The contracts' compatibility.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="list what today's code changes against the newest release")
    commands.add_parser("release", help="write today's contracts as the next release").add_argument("version")
    options = parser.parse_args()
    if options.command == "release":
        try:
            print(f"written: {releases.make(options.version).relative_to(releases.WORKSPACE)}")
        except releases.Refused as refused:
            print(refused, file=sys.stderr)
            return 1
        return 0
    found = releases.against(releases.load(releases.versions()[-1]))
    for one in found:
        print(one.told() if one.breaks else f"{one.document}: {one.path}: {one.kind}. Compatible.")
    return 1 if breaking(found) else 0


if __name__ == "__main__":
    sys.exit(main())
