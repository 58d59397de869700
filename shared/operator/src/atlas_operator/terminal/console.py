"""Where the commands write: results to stdout, everything else to stderr.

Nothing that is printed is markup: ids, types and reasons come from outside. Styles are given beside the text.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from rich.theme import Theme

from atlas_contracts.text import visible

EXIT_MISUNDERSTOOD = 2


LEAD = re.compile(r" *(?:[·→✓✗!≠] )?")
"""What stands before a line's first word; further lines of it begin below that word."""
NARROWEST = 20

# Colours only ever repeat what a mark or a word says. Yellow is left out: on white it can't be read.
GOOD, BAD, NOTE = "green", "red", "magenta"
OK_MARK, WRONG_MARK, NOTE_MARK = ("✓", GOOD), ("✗", BAD), ("!", NOTE)


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


def columns(console: Console) -> int:
    """The width to print for: COLUMNS, else the terminal's own, for rich takes every TERM=dumb for 80 columns."""
    if isinstance(console, Output) and not os.environ.get("COLUMNS", "").isdigit():
        with contextlib.suppress(OSError, ValueError):
            return os.get_terminal_size(console.file.fileno()).columns or console.width
    return console.width


def put(console: Console, text: Text) -> None:
    """Print a line. At a terminal it is broken between words, where the terminal would break it inside an id."""
    for part in broken(text, max(columns(console), NARROWEST)) if console.is_terminal else (text,):
        console.print(part)


def broken(text: Text, width: int) -> Iterator[Text]:
    """A text in lines of at most ``width`` cells, none ending inside a word; a word that is longer stays whole."""
    lead = LEAD.match(text.plain)
    indent = cell_len(lead[0]) if lead else 0
    rest = text.copy()
    room = width
    hanging = 0
    while cell_len(rest.plain) > room and (at := _last_gap(rest.plain, room, indent if not hanging else 0)):
        yield Text(" " * hanging).append_text(_without_end(rest[:at]))
        rest = rest[at:]
        rest = rest[len(rest.plain) - len(rest.plain.lstrip(" ")) :]
        first = rest.plain.split(" ", 1)[0]
        hanging = max(0, min(indent, width - cell_len(first)))
        room = width - hanging
    yield Text(" " * hanging).append_text(rest)


def _last_gap(plain: str, room: int, start: int) -> int:
    """Where a line of at most ``room`` cells may end: at its last space, else at the first one after its first word."""
    gaps = [at for at, letter in enumerate(plain) if letter == " " and at > start and plain[:at].strip()]
    return max((at for at in gaps if cell_len(plain[:at]) <= room), default=min(gaps, default=0))


def _without_end(text: Text) -> Text:
    text.rstrip()
    return text


# Soft wrap: a URL must stay in one piece, whatever the width of the terminal.
out = Output(highlight=False, soft_wrap=True, markup=False, emoji=False)
errors = Output(
    stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False, theme=Theme({"progress.elapsed": "none"})
)

Piece = str | tuple[str, str]


def line(*parts: Piece) -> Text:
    """One line of text, each part plain or with a style; what a terminal would obey or hide is made visible."""
    return Text.assemble(*(visible(part) if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts))


def say(*parts: Piece) -> None:
    """Print one line of a result."""
    put(out, line(*parts))


def remark(*parts: Piece) -> None:
    """Print one line that is no result: on stderr."""
    put(errors, line(*parts))


def say_json(value: Any) -> None:
    """Print a result for programs: ASCII only, so that it holds no character that a terminal would obey."""
    print(json.dumps(value, indent=2).replace("\x7f", "\\u007f"))


def fail(message: str, remedy: str = "", log: list[str] | None = None, code: int = 1) -> NoReturn:
    """Say what is wrong and what to do next, and leave."""
    remark(WRONG_MARK, f" {message}")
    if remedy:
        remark(f"  {remedy}")
    for entry in log or []:
        remark(f"  | {entry}")
    raise typer.Exit(code)


def misunderstood(message: str, remedy: str = "") -> NoReturn:
    """Refuse what was given; exit code 2."""
    fail(message, remedy, code=EXIT_MISUNDERSTOOD)
