"""`./atlas parked`: what could not be processed, another try, and the end of it."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_contracts.parked import DismissRequest
from atlas_operator.client import Operator
from atlas_operator.names import operators_name
from atlas_operator.target import find
from atlas_operator.terminal import checks, table
from atlas_operator.terminal.afterwards import once_applied, verdict
from atlas_operator.terminal.console import fail, say, say_json

COLUMNS = ("id", "reason", "subject", "eventId", "at")
NAMES = {"reason": "--reason", "operator": "The operator's name"}

app = typer.Typer(help="What could not be processed, another try, and the end of it.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="The same for programs.")]
Id = Annotated[str, typer.Argument(metavar="PARKED_ID", help="The parked event's id, as `list` shows it.")]


@app.command("list")
def list_parked(
    *,
    dismissed: Annotated[
        bool, typer.Option("--dismissed", help="What was dismissed instead, with who and why.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Everything that is parked and waits for somebody."""
    query = {"dismissed": "true"} if dismissed else {}
    rows: list[dict[str, Any]] = Operator(find()).get(INGEST_SERVICE, "/operator/parked", **query)
    if as_json:
        say_json(rows)
    elif not rows:
        say("Nothing was dismissed." if dismissed else "Nothing is parked.")
    elif dismissed:
        table.show((*COLUMNS, "dismissed by", "because"), [[*_cells(row), *_note(row)] for row in rows])
    else:
        table.show((*COLUMNS, "another try"), [[*_cells(row), _prospect(row)] for row in rows])


def _cells(row: dict[str, Any]) -> list[str]:
    return [str(row.get(name) or "") for name in COLUMNS]


def _note(row: dict[str, Any]) -> list[str]:
    note = row.get("dismissed") or {}
    return [str(note.get("operator") or ""), str(note.get("reason") or "")]


def _prospect(row: dict[str, Any]) -> str:
    return f"fails: {row['hopeless']}" if row.get("hopeless") else "may succeed"


@app.command()
def show(parked_id: Id, *, _as_json: Json = False) -> None:
    """One parked event, whole; always as JSON."""
    say_json(Operator(find()).get(INGEST_SERVICE, _path(parked_id)))


@app.command()
def redrive(parked_id: Id, *, as_json: Json = False) -> None:
    """Give it another try, under a new message id so that the broker does not take it for a duplicate."""
    path, operator = _path(parked_id), Operator(find())
    found: dict[str, Any] = operator.get(INGEST_SERVICE, path)
    if found.get("hopeless"):
        fail(
            f"Another try of {parked_id} must fail, so nothing was sent: {found['hopeless']}",
            f"Can it never succeed? ./atlas parked dismiss {parked_id} --reason … takes it off the list.",
        )
    done = operator.post(INGEST_SERVICE, f"{path}/redrive", {})
    if as_json:
        say_json(done)
    else:
        say(f"Sent again: {parked_id}.")
        once_applied(operator, found.get("userId"), str(done.get("eventId")))


@app.command()
def dismiss(
    parked_id: Id,
    *,
    reason: Annotated[str, typer.Option(help="Why it can never succeed; kept with your name.")],
    as_json: Json = False,
) -> None:
    """Take what can never succeed off the list. It is kept with who and why; a redrive brings it back."""
    path = _path(parked_id)
    checks.prose(reason, "--reason")
    asked = checks.request(DismissRequest, {"reason": reason, "operator": operators_name()}, NAMES)
    operator = Operator(find())
    found: dict[str, Any] = operator.get(INGEST_SERVICE, path)
    note: dict[str, Any] = operator.post(INGEST_SERVICE, f"{path}/dismiss", asked.model_dump(by_alias=True))
    if as_json:
        say_json(note)
    else:
        say(f"Dismissed: {parked_id} (by {note.get('operator')}: {note.get('reason')}).")
        say("./atlas parked list --dismissed shows it; ./atlas parked redrive gives it another try.")
        verdict(operator, found.get("userId"))


def _path(parked_id: str) -> str:
    # A parked id is what a publisher called its event: it may be long, or look like anything.
    checks.prose(parked_id, "PARKED_ID")
    return f"/operator/parked/{quote(parked_id, safe='')}"
