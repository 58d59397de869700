"""`./atlas import project-atlas`: what the existing web app knows, brought in."""

from __future__ import annotations

from typing import Annotated

import typer

from atlas_operator.client import Operator
from atlas_operator.predecessor.connection import opened
from atlas_operator.predecessor.importing import ImportReport, import_grants, import_purchases
from atlas_operator.target import find
from atlas_operator.terminal.afterwards import compared
from atlas_operator.terminal.console import NOTE_MARK, say, say_json
from atlas_operator.terminal.progress import bar
from atlas_operator.terminal.words import counted

app = typer.Typer(help="Bring in what another app knows.", no_args_is_help=True)

Dsn = Annotated[
    str,
    typer.Argument(
        metavar="DSN",
        envvar="ATLAS_DATABASE_URL",
        show_envvar=True,
        help="The web app's database, as a Postgres URL; Prisma's parameters are understood. It is only read.",
    ),
]


@app.callback()
def _group() -> None:
    """Bring in what another app knows."""


@app.command("project-atlas")
def project_atlas(
    dsn: Dsn,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read and count.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result for programs.")] = False,
) -> None:
    """Import the existing Atlas web app's grants, customers and purchases. Safe to repeat."""
    operator, report = Operator(find()), ImportReport()
    with compared(operator, quiet=as_json or dry_run) as outcome:
        with opened(dsn) as old, bar("Reading the web app's users") as step:
            buyers = import_grants(operator, old, report, step, dry_run=dry_run)
        with bar("Asking Stripe about its ids") as step:
            import_purchases(operator, buyers, report, step, dry_run=dry_run)
        outcome.news = bool(report.new)
        if as_json:
            say_json(report.as_json())
        else:
            _show(report, dry_run=dry_run)


def _show(report: ImportReport, *, dry_run: bool) -> None:
    for refusal in report.refused:
        whose = f"{refusal.user_id}: " if refusal.user_id is not None else ""
        say(f"{whose}{refusal.what}: {refusal.because}.")
    told = "would be told of" if dry_run else "was told of"
    say(
        f"{'Nothing was changed. ' if dry_run else ''}{counted(report.read, 'user')} read: something new {told}"
        f" {len(report.new):,}, {report.known:,} known already, {counted(len(report.refused), 'line')} refused."
    )
    if report.late:
        say(NOTE_MARK, " Not all of it is applied yet; ./atlas status says whether entitlements runs.")
