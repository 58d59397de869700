"""`./atlas parked`: what could not be processed, and another try."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_devstack.operator.client import Operator
from atlas_devstack.operator.target import find

from . import checks, table
from .console import say, say_json

COLUMNS = ("id", "reason", "subject", "eventId", "at")

app = typer.Typer(help="What could not be processed, and another try.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="The same for programs.")]
Id = Annotated[str, typer.Argument(metavar="PARKED_ID", help="The parked event's id, as `list` shows it.")]


@app.command("list")
def list_parked(*, as_json: Json = False) -> None:
    """Everything that is parked."""
    rows: list[dict[str, Any]] = Operator(find()).get(INGEST_SERVICE, "/operator/parked")
    if as_json:
        say_json(rows)
    elif not rows:
        say("Nothing is parked.")
    else:
        table.show(COLUMNS, [[str(row.get(name) or "") for name in COLUMNS] for row in rows])


@app.command()
def show(parked_id: Id, *, _as_json: Json = False) -> None:
    """One parked event, whole; always as JSON."""
    say_json(Operator(find()).get(INGEST_SERVICE, _path(parked_id)))


@app.command()
def redrive(parked_id: Id, *, as_json: Json = False) -> None:
    """Give it another try, under a new message id so that the broker does not take it for a duplicate."""
    done = Operator(find()).post(INGEST_SERVICE, f"{_path(parked_id)}/redrive", {})
    say_json(done) if as_json else say(f"Sent again: {parked_id}.")


def _path(parked_id: str) -> str:
    # A parked id is what a publisher called its event: it may be long, or look like anything.
    checks.utf8(parked_id, "PARKED_ID")
    return f"/operator/parked/{quote(parked_id, safe='')}"
