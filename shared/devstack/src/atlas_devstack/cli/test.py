"""`./atlas test`: the tests, with good defaults."""

from __future__ import annotations

import os
import sys

import typer

from atlas_devstack.stack.home import WORKSPACE

FAST = ("tests/unit", "tests/contract", "tests/property", "tests/policy")
SCOPES = ("fast", "all")


def test(context: typer.Context) -> None:
    """Run the tests: `fast` (seconds, needs nothing), `all` (the default); then any pytest arguments.

    What needs a browser or a Docker engine is skipped with its reason when there is none, unless
    ATLAS_REQUIRE=browser,docker.
    """
    arguments = list(context.args)
    scope = arguments.pop(0) if arguments and arguments[0] in SCOPES else "all"
    os.chdir(WORKSPACE)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *command(scope, arguments)])


def command(scope: str, arguments: list[str]) -> list[str]:
    """The arguments for pytest. Paths given by the caller replace ours; the long run is asked for with `-m slow`."""
    paths = [] if _names_paths(arguments) else [path for path in FAST if (WORKSPACE / path).is_dir()]
    marks = [] if any(argument == "-m" or argument.startswith("-m=") for argument in arguments) else ["-m", "not slow"]
    return [*marks, *(paths if scope == "fast" else []), *arguments]


def _names_paths(arguments: list[str]) -> bool:
    return any((WORKSPACE / argument.partition("::")[0]).exists() for argument in arguments if argument[:1] != "-")
