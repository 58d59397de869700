"""`./atlas test`: the tests, with good defaults."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import typer

from atlas_operator.local import WORKSPACE

FAST = ("tests/unit", "tests/contract", "tests/property", "tests/policy")
SCOPES = ("fast", "all")
NOT_SLOW = ("-m", "not slow")
NOTHING_COLLECTED = 5
"""pytest's exit code when a selection matches no test."""
MOST_WORKERS = 4
IN_ORDER = "--no-loadscope-reorder"
"""The files that take the longest come first, which is not those with the most tests (`conftest.py`)."""
INTERRUPTED = 130
"""What a shell says of a command that Ctrl-C ended."""


def test(context: typer.Context) -> None:
    """Run the tests: `fast` (seconds, needs nothing), `all` (the default); then any pytest arguments.

    What needs a browser, a Docker engine or npm's registry is skipped with its reason when there is none, unless
    ATLAS_REQUIRE=browser,docker,node.
    """
    arguments = list(context.args)
    scope = arguments.pop(0) if arguments and arguments[0] in SCOPES else "all"
    os.chdir(WORKSPACE)
    codes = [_run(command) for command in commands(scope, arguments)]
    ran = [code for code in codes if code != NOTHING_COLLECTED]
    raise typer.Exit(max(ran, default=NOTHING_COLLECTED))


def commands(scope: str, arguments: Sequence[str]) -> list[list[str]]:
    """The arguments of each pytest run. Paths given by the caller replace ours and run as they are.

    Otherwise tests run beside each other, a file a worker; then those that measure times or share a stack, by
    themselves. The long run (`-m slow`, or any `-m` of the caller's) has all end-to-end tests by themselves.
    """
    asked = any(a == "-m" or a.startswith("-m=") for a in arguments)
    marks = () if asked else NOT_SLOW
    if _names_paths(arguments):
        return [[*marks, *arguments]]
    beside = ["-n", str(_workers()), "--dist", "loadfile", IN_ORDER]
    if scope == "fast":
        return [[*marks, *beside, *(path for path in FAST if (WORKSPACE / path).is_dir()), *arguments]]
    if asked:
        return [[*beside, "tests", *arguments], ["e2e", *arguments]]
    return [
        ["-m", "not slow and not alone", *beside, "tests", "e2e", *arguments],
        ["-m", "not slow and alone", "e2e", *arguments],
    ]


def _workers() -> int:
    """One more than there are cores: most tests wait for a process that they started."""
    return min((os.cpu_count() or 1) + 1, MOST_WORKERS)


def _run(arguments: list[str]) -> int:
    try:
        return subprocess.call([sys.executable, "-m", "pytest", *arguments])
    except KeyboardInterrupt:
        return INTERRUPTED


def _names_paths(arguments: Sequence[str]) -> bool:
    return any((WORKSPACE / argument.partition("::")[0]).exists() for argument in arguments if argument[:1] != "-")
