"""`./atlas explain`: why a user is or isn't Pro."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE
from atlas_devstack.operator.client import Operator
from atlas_devstack.operator.target import find

from .console import out

Row = Mapping[str, Any]


def explain(
    user: Annotated[str, typer.Argument(help="The user's id.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
) -> None:
    """Why this user is or isn't Pro: every fact, where it came from, what it did, what would change the verdict."""
    told: dict[str, Any] = Operator(find()).get(ENTITLEMENTS_SERVICE, "/operator/explain", user=user)
    if as_json:
        print(json.dumps(told, indent=2))
        return
    _verdict(user, told.get("verdict", {}))
    for payment in told.get("payments", []):
        _payment(payment)
    if told.get("adjustments"):
        out.print("\n[bold]Adjusted by an operator[/]")
        out.print(_facts(told["adjustments"]), soft_wrap=False)
    _list("Rejected: these count for nothing", [_rejected(row) for row in told.get("rejected", [])])
    _list("Pending", [_sentence(row) for row in told.get("pending", [])])
    if told.get("requests"):
        out.print("\n[bold]Recorded beside the payments[/]")
        out.print(_facts(told["requests"]), soft_wrap=False)
    _list("What would change this", [_sentence(row) for row in told.get("wouldChange", [])])


def _verdict(user: str, verdict: Row) -> None:
    mark = "[bold green]Pro[/]" if verdict.get("isPro") else "[bold]not Pro[/]"
    out.print(f"{escape(user)} is {mark}: {verdict.get('status', 'none')}", end="")
    if verdict.get("source"):
        out.print(f" through {verdict['source']}", end="")
    if verdict.get("activeFrom"):
        out.print(f", since {_when(verdict['activeFrom'])}", end="")
    if verdict.get("activeUntil"):
        out.print(f", until {_when(verdict['activeUntil'])}", end="")
    out.print(f" [dim](version {verdict.get('version', 0)})[/]")


def _payment(payment: Row) -> None:
    mark = "[green]grants[/]" if payment.get("grants") else "[red]grants nothing[/]"
    out.print(f"\n[bold]Payment[/] {escape(str(payment.get('id')))} {mark}: {escape(str(payment.get('because', '')))}")
    out.print(_facts(payment.get("facts", [])), soft_wrap=False)


def _facts(facts: Iterable[Row]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 1), header_style="dim")
    for heading in ("when", "what", "came by", "effect"):
        table.add_column(heading, no_wrap=heading in ("when", "came by"))
    for fact in facts:
        effect = fact.get("effect") or fact.get("reason") or ""
        table.add_row(
            _when(fact.get("occurredAt") or fact.get("at")),
            str(fact.get("type") or fact.get("action") or ""),
            str(fact.get("via", "operator")),
            escape(str(effect)),
        )
    return table


def _rejected(row: Row) -> str:
    fact = row.get("fact", {})
    name = f"{fact.get('type', '')} {fact.get('eventId', '')}" if isinstance(fact, dict) else str(fact)
    return f"{name.strip()}: {row.get('because', '')}"


def _sentence(row: object) -> str:
    if not isinstance(row, dict):
        return str(row)
    what = str(row.get("what", "")).replace("_", " ")
    since = f" since {_when(row['since'])}" if row.get("since") else ""
    return f"{what}{since}: {row.get('id') or row.get('payment', '')}"


def _list(title: str, sentences: list[str]) -> None:
    if sentences:
        out.print(f"\n[bold]{title}[/]")
        for sentence in sentences:
            out.print(f"  · {escape(sentence)}")


def _when(instant: object) -> str:
    return str(instant or "").replace("T", " ").partition(".")[0].removesuffix("Z")
