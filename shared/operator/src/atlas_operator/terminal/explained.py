"""Prints an explanation for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from atlas_operator import wording
from atlas_operator.terminal import table
from atlas_operator.terminal.console import Piece, say
from atlas_operator.wording import amount, in_order, when

Row = Mapping[str, Any]


def show(told: Row) -> None:
    """Everything that `explain` knows about one user."""
    say(*_verdict(str(told.get("userId")), told.get("verdict", {})))
    for payment in in_order(told.get("payments", []), key="since"):
        _payment(payment)
    adjustments = told.get("adjustments", [])
    _table("Imported from another app", [fact for fact in adjustments if fact.get("via") == "import"])
    _table("Adjusted by an operator", [fact for fact in adjustments if fact.get("via") != "import"])
    _list("Refused: these count for nothing", [wording.refused(row) for row in told.get("rejected", [])])
    _list("Pending", [wording.sentence(row) for row in in_order(told.get("pending", []), key="since")])
    _list("Warnings", [wording.sentence(row) for row in in_order(told.get("warnings", []), key="at")])
    parked(told.get("parked", []))
    _table("Recorded beside the payments", told.get("requests", []))
    _list("What would change this", wording.changes(told))


def parked(rows: Sequence[Row]) -> None:
    """The user's events that could not be processed."""
    if rows:
        say()
        say(("Parked: could not be processed (./atlas parked show ID)", "bold"))
        table.show(
            ("when (UTC)", "reason", "id", "event"),
            [
                (when(row.get("at")), str(row.get("reason")), str(row.get("id")), str(row.get("eventId")))
                for row in rows
            ],
        )


def verdict_of(told: Row) -> None:
    """The verdict alone, as one line."""
    say(*_verdict(str(told.get("userId")), told.get("verdict", {})))


def _verdict(user: str, verdict: Row) -> list[Piece]:
    word, rest = wording.verdict_words(verdict)
    style = "bold green" if verdict.get("isPro") else "bold"
    return [f"{user} is ", (word, style), rest, (f" (version {verdict.get('version', 0)})", "dim")]


def _payment(payment: Row) -> None:
    grants = bool(payment.get("grants"))
    say()
    say(
        ("Payment ", "bold"),
        f"{payment.get('id')} ",
        ("grants", "green") if grants else ("grants nothing", "red"),
        f": {payment.get('because', '')}",
    )
    _facts(payment.get("facts", []))


def _table(title: str, facts: Sequence[Row]) -> None:
    if facts:
        say()
        say((title, "bold"))
        _facts(facts)


def _facts(facts: Iterable[Row]) -> None:
    rows = [
        (
            when(fact.get("occurredAt") or fact.get("at")),
            str(fact.get("type") or fact.get("action") or ""),
            str(fact.get("via") or "operator"),
            wording.effect(fact),
            amount(fact),
            str(fact.get("eventId") or ""),
            *([str(fact["requestId"] or "")] if "requestId" in fact else []),
        )
        for fact in in_order(facts, key="occurredAt")
    ]
    headings = ("when (UTC)", "what", "came by", "effect", "amount", "event", "request")
    table.show(headings[: max(map(len, rows), default=0)], rows)


def _list(title: str, sentences: list[str]) -> None:
    if sentences:
        say()
        say((title, "bold"))
        for sentence in sentences:
            say(f"  · {sentence}")
