"""`./atlas test`: the tests, with good defaults."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import typer

from atlas_operator.local import WORKSPACE

FAST = ("tests/unit", "tests/contract", "tests/property", "tests/policy")
SCOPES = ("fast", "all")
NOT_SLOW = ("-m", "not slow")
NOTHING_COLLECTED = 5
"""pytest's exit code when a selection matches no test."""
MOST_WORKERS = 4
CLICKING_WORKERS = 2
"""As many as there are folders of tests that click: each has a stack of its own."""
IN_ORDER = "--no-loadscope-reorder"
"""pytest's option to keep our order (`conftest.py`): files that take long first. Its own puts those with many tests."""
MEASURED_MINUTES = {"fast": 1.5, "all": 35.0}
"""How long each took on two cores, with browser, Docker and node; said where no run on this machine tells better."""
LAST_RUN = Path(".pytest_cache") / "atlas"
"""Where the minutes that the last whole run took are kept, a file a scope."""
SELECTING = (
    "-k",
    "-m",
    "--co",
    "--lf",
    "--last-failed",
    "--ff",
    "--sw",
    "--stepwise",
    "--deselect",
    "--help",
    "-h",
    "--version",
)
"""Beginnings of pytest's options with which not all tests are run."""
INTERRUPTED = 130
"""The exit code that a shell gives a command that was ended by Ctrl-C."""


def test(context: typer.Context) -> None:
    """Run the tests: `fast` (seconds, needs nothing), `all` (the default); then any pytest arguments.

    Tests that need a browser, a Docker engine or npm's registry are skipped where there is none. With
    ATLAS_REQUIRE=browser,docker,node,prometheus they fail instead.
    """
    arguments = list(context.args)
    scope = arguments.pop(0) if arguments and arguments[0] in SCOPES else "all"
    os.chdir(WORKSPACE)
    whole = not _names_paths(arguments) and not any(each.startswith(SELECTING) for each in arguments)
    if whole:
        print(announcement(scope, LAST_RUN), file=sys.stderr, flush=True)
    begun = time.monotonic()
    codes = [_run(command) for command in commands(scope, arguments)]
    if whole and INTERRUPTED not in codes:
        remember(scope, (time.monotonic() - begun) / 60, LAST_RUN)
    ran = [code for code in codes if code != NOTHING_COLLECTED]
    raise typer.Exit(max(ran, default=NOTHING_COLLECTED))


def announcement(scope: str, kept: Path) -> str:
    """How long the tests will take: as long as the last time here, else as long as where they were timed."""
    try:
        minutes, because = float((kept / scope).read_text()), "as the last time here"
    except (OSError, ValueError):
        minutes, because = MEASURED_MINUTES[scope], "measured on two cores; the first run builds what later ones keep"
    other = "" if scope == "fast" else " Only the fast ones: ./atlas test fast"
    return f"This takes about {_in_words(minutes)} ({because}).{other}"


def remember(scope: str, minutes: float, kept: Path) -> None:
    """Keep how long a whole run took. A folder that can't be written to costs the next run its better estimate only."""
    with contextlib.suppress(OSError):
        kept.mkdir(parents=True, exist_ok=True)
        (kept / scope).write_text(f"{minutes:.2f}\n")


def _in_words(minutes: float) -> str:
    if minutes < 1:
        seconds = round(minutes * 60)
        return f"{seconds} seconds" if seconds > 1 else "a second"
    whole = round(minutes)
    return "a minute" if whole == 1 else f"{whole} minutes"


def commands(scope: str, arguments: Sequence[str]) -> list[list[str]]:
    """The arguments of each pytest run. If the caller names paths, only those are run, in one run.

    Otherwise the tests run in parallel, one file per worker; then those that click, beside which no container may start
    or end (`support.chromium`); in the end, one at a time, those that measure times.
    With `-m slow`, or any other `-m` of the caller, all end-to-end tests run one at a time.
    """
    asked = any(a == "-m" or a.startswith("-m=") for a in arguments)
    marks = () if asked else NOT_SLOW
    if _names_paths(arguments):
        return [[*marks, *arguments]]
    beside = _beside(MOST_WORKERS)
    if scope == "fast":
        return [[*marks, *beside, *(path for path in FAST if (WORKSPACE / path).is_dir()), *arguments]]
    if asked:
        return [[*beside, "tests", *arguments], ["e2e", *arguments]]
    return [
        ["-m", "not slow and not alone and not browser", *beside, "tests", "e2e", *arguments],
        ["-m", "not slow and not alone and browser", *_beside(CLICKING_WORKERS), "e2e", *arguments],
        ["-m", "not slow and alone", "e2e", *arguments],
    ]


def _beside(most: int) -> list[str]:
    """One worker more than there are cores: most tests wait for a process that they started."""
    return ["-n", str(min((os.cpu_count() or 1) + 1, most)), "--dist", "loadfile", IN_ORDER]


def _run(arguments: list[str]) -> int:
    # Some hundred Python processes start in a run, and each worker reads every test: what one has compiled, all keep.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    try:
        return subprocess.call([sys.executable, "-m", "pytest", *arguments], env=environ)
    except KeyboardInterrupt:
        return INTERRUPTED


def _names_paths(arguments: Sequence[str]) -> bool:
    return any((WORKSPACE / argument.partition("::")[0]).exists() for argument in arguments if argument[:1] != "-")
