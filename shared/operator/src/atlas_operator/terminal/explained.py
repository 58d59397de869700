"""Prints an explanation for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from atlas_operator import sentences
from atlas_operator.sentences import about, amount, effect, in_order, rejected, when
from atlas_operator.terminal import table
from atlas_operator.terminal.console import Piece, say

Row = Mapping[str, Any]


def show(told: Row) -> None:
    """Everything that `explain` knows about one user."""
    say(*_verdict(str(told.get("userId")), told.get("verdict", {})))
    for payment in in_order(told.get("payments", []), key="since"):
        _payment(payment)
    adjustments = told.get("adjustments", [])
    _table("Imported from another app", [fact for fact in adjustments if fact.get("via") == "import"])
    _table("Adjusted by an operator", [fact for fact in adjustments if fact.get("via") != "import"])
    _list("Refused: these count for nothing", [rejected(row) for row in told.get("rejected", [])])
    _list("Pending", [about(row) for row in in_order(told.get("pending", []), key="since")])
    _list("Warnings", [about(row) for row in in_order(told.get("warnings", []), key="at")])
    parked(told.get("parked", []))
    _table("Recorded beside the payments", told.get("requests", []))
    _list("What would change this", sentences.would_change(told))


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
    is_pro: Piece = ("Pro", "bold") if verdict.get("isPro") else ("not Pro", "bold")
    version = f" (version {verdict.get('version', 0)})"
    return [f"{user} is ", is_pro, sentences.standing(verdict), version]


def _payment(payment: Row) -> None:
    grants = bool(payment.get("grants"))
    say()
    say(
        ("Payment ", "bold"),
        f"{payment.get('id')} ",
        ("grants" if grants else "grants nothing", "bold"),
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
            effect(fact),
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
