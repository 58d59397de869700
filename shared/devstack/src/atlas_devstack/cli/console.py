"""Where the commands write: results to stdout, everything else to stderr."""

from __future__ import annotations

from typing import NoReturn

import typer
from rich.console import Console
from rich.text import Text

# Soft wrap: a URL must stay in one piece, whatever the width of the terminal.
out = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def fail(message: str, remedy: str = "", log: list[str] | None = None, code: int = 1) -> NoReturn:
    """Say what is wrong and what to do next, and leave."""
    errors.print(Text.assemble(("✗ ", "bold red"), message))
    if remedy:
        errors.print(Text(f"  {remedy}"))
    for line in log or []:
        errors.print(Text(f"  | {line}", style="dim"))
    raise typer.Exit(code)
