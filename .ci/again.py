"""Runs the tests that failed in the last run once more, with nothing beside them.

    .ci/again.py        (in the folder whose .pytest_cache has that run)

Three workers on two cores cross time limits that nobody else meets. A test that fails among the others and passes by
itself is named here and is to be mended, but it doesn't hold up a change. What fails twice does, and so do more than
:data:`MOST` failures, and a fault run, whose seed is drawn anew: its finding is one, whatever the next run finds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")
MOST = 3


def main() -> int:
    """The exit code: 0 when each of them passed by itself."""
    failed = sorted(json.loads(LAST_FAILED.read_text())) if LAST_FAILED.exists() else []
    if not 0 < len(failed) <= MOST:
        print(f"{len(failed)} tests failed; up to {MOST} are run again by themselves.")
        return 1
    code = subprocess.call([sys.executable, "-m", "pytest", *failed])
    if code == 0:
        print("Failed among the others, passed by themselves; to be mended:", *failed, sep="\n  ")
    return code


if __name__ == "__main__":
    sys.exit(main())
