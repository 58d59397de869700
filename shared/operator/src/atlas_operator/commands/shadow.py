"""`./atlas shadow project-atlas`: does the existing web app say the same about everybody?"""

from __future__ import annotations

from typing import Annotated

import typer

from atlas_operator.client import Operator
from atlas_operator.commands.import_ import Dsn
from atlas_operator.predecessor.comparing import Comparison, compare, verdicts_here
from atlas_operator.predecessor.connection import opened
from atlas_operator.target import find
from atlas_operator.terminal import table
from atlas_operator.terminal.console import say, say_json
from atlas_operator.terminal.progress import bar
from atlas_operator.terminal.words import counted

app = typer.Typer(help="Compare with what another app says.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Compare with what another app says."""


@app.command("project-atlas")
def project_atlas(
    dsn: Dsn, *, as_json: Annotated[bool, typer.Option("--json", help="The result for programs.")] = False
) -> None:
    """Compare every user's verdict in the existing Atlas web app with ours. Exit code 1 while anybody differs."""
    operator = Operator(find())
    with opened(dsn) as old, bar("Comparing users") as step:
        found = compare(operator, old, verdicts_here(operator), step)
    if as_json:
        say_json(found.as_json())
    else:
        _show(found)
    raise typer.Exit(1 if found.differ else 0)


def _show(found: Comparison) -> None:
    rows = [(row["userId"], _told(row["there"]), _told(row["here"]), row["because"]) for row in found.differ]
    if rows:
        table.show(("user", "there", "here", "because"), rows)
    if found.deleted:
        say(f"Deleted there, and Pro here (./atlas forget ends that): {', '.join(found.deleted)}.")
    equal = found.users - len(rows)
    say(f"{counted(found.users, 'user')} compared: {equal:,} equal, {len(rows):,} differ.")


def _told(verdict: dict[str, object]) -> str:
    return f"{verdict['status']} through {verdict['source']}" if verdict["source"] else str(verdict["status"])
