"""Where the commands write: results to stdout, everything else to stderr.

Nothing that is printed is markup: ids, types and reasons come from outside. Styles are given beside the text.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from atlas_contracts.text import visible

EXIT_MISUNDERSTOOD = 2


class Output(Console):
    """A console that is a terminal where its file is one, whatever the environment says.

    rich takes FORCE_COLOR and TTY_COMPATIBLE, which CI systems set, for a terminal: a program that reads our output
    would then get rows laid out for 80 columns.
    """

    @property
    def is_terminal(self) -> bool:
        """Whether a person sees this."""
        try:
            return bool(self.file.isatty())
        except (AttributeError, ValueError):  # no file, or a closed one
            return False


# Soft wrap: a URL must stay in one piece, whatever the width of the terminal.
out = Output(highlight=False, soft_wrap=True, markup=False, emoji=False)
errors = Output(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)

Piece = str | tuple[str, str]


def line(*parts: Piece) -> Text:
    """One line of text, each part plain or with a style; what a terminal would obey or hide is made visible."""
    return Text.assemble(*(visible(part) if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts))


def say(*parts: Piece) -> None:
    """Print one line of a result."""
    out.print(line(*parts))


def say_json(value: Any) -> None:
    """Print a result for programs: ASCII only, so that it holds no character that a terminal would obey."""
    print(json.dumps(value, indent=2).replace("\x7f", "\\u007f"))


def fail(message: str, remedy: str = "", log: list[str] | None = None, code: int = 1) -> NoReturn:
    """Say what is wrong and what to do next, and leave."""
    errors.print(line(("✗ ", "bold red"), message))
    if remedy:
        errors.print(line(f"  {remedy}"))
    for entry in log or []:
        errors.print(line((f"  | {entry}", "dim")))
    raise typer.Exit(code)


def misunderstood(message: str, remedy: str = "") -> NoReturn:
    """Refuse what was given; exit code 2."""
    fail(message, remedy, code=EXIT_MISUNDERSTOOD)
