"""`./atlas parked`: what could not be processed, and another try."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_devstack.operator.client import Operator
from atlas_devstack.operator.target import find

from .console import out

app = typer.Typer(help="What could not be processed, and another try.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="The same for programs.")]
Id = Annotated[str, typer.Argument(help="The parked event's id, as `list` shows it.")]


@app.command("list")
def list_parked(*, as_json: Json = False) -> None:
    """Everything that is parked."""
    rows: list[dict[str, Any]] = Operator(find()).get(INGEST_SERVICE, "/operator/parked")
    if as_json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        out.print("Nothing is parked.")
    else:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for heading in ("id", "reason", "subject", "eventId", "at"):
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*(str(row.get(name, "")) for name in ("id", "reason", "subject", "eventId", "at")))
        out.print(table, soft_wrap=False)


@app.command()
def show(parked_id: Id, *, _as_json: Json = False) -> None:
    """One parked event, whole; always as JSON."""
    print(json.dumps(Operator(find()).get(INGEST_SERVICE, f"/operator/parked/{quote(parked_id, safe='')}"), indent=2))


@app.command()
def redrive(parked_id: Id, *, as_json: Json = False) -> None:
    """Give it another try, under a new message id so that the broker does not take it for a duplicate."""
    done = Operator(find()).post(INGEST_SERVICE, f"/operator/parked/{quote(parked_id, safe='')}/redrive", {})
    print(json.dumps(done, indent=2)) if as_json else out.print(f"Sent again: {parked_id}.")
