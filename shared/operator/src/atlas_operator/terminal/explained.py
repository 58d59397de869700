"""Prints an explanation for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from atlas_operator import money
from atlas_operator.terminal import table
from atlas_operator.terminal.console import Piece, say

Row = Mapping[str, Any]
NO_EFFECT = "recorded, changes nothing"
SAID = (("ticket", "ticket"), ("by", "operator"), ("approved by", "approvedBy"))
"""What is shown beside an operator's adjustment: a word, and the field that it stands before."""
FREE_SETTING = "BILLING_GRANT_FREE_CHECKOUTS"


def show(told: Row) -> None:
    """Everything that `explain` knows about one user."""
    say(*_verdict(str(told.get("userId")), told.get("verdict", {})))
    for payment in _sorted(told.get("payments", []), key="since"):
        _payment(payment)
    adjustments = told.get("adjustments", [])
    _table("Imported from another app", [fact for fact in adjustments if fact.get("via") == "import"])
    _table("Adjusted by an operator", [fact for fact in adjustments if fact.get("via") != "import"])
    _list("Refused: these count for nothing", [_rejected(row) for row in told.get("rejected", [])])
    _list("Pending", [_sentence(row) for row in _sorted(told.get("pending", []), key="since")])
    _list("Warnings", [_sentence(row) for row in _sorted(told.get("warnings", []), key="at")])
    parked(told.get("parked", []))
    _table("Recorded beside the payments", told.get("requests", []))
    _list("What would change this", [_sentence(row) for row in told.get("wouldChange", [])] + _free(told))


def sentence(told: Row) -> str:
    """The verdict as one sentence, without its version."""
    return "".join(_text(part) for part in _sentence_of(str(told.get("userId")), told.get("verdict", {}))) + "."


def reasons(told: Row) -> str:
    """Why the verdict is as it is, in one line: the verdict's sentence, and what each payment and each word came to."""
    said = [sentence(told)]
    for payment in _sorted(told.get("payments", []), key="since"):
        what = "grants" if payment.get("grants") else "grants nothing"
        said.append(f"Payment {payment.get('id')} {what}: {payment.get('because', '')}.")
    said += [f"{_capital(_effect(fact))} (by {fact.get('via')})." for fact in told.get("adjustments", [])]
    return " ".join(said if len(said) > 1 else [*said, "Nothing that grants is known here."])


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


def when(instant: object) -> str:
    """An instant of ours, always UTC, to the second."""
    return str(instant or "").replace("T", " ").partition(".")[0].removesuffix("Z")


def _text(part: Piece) -> str:
    return part if isinstance(part, str) else part[0]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _verdict(user: str, verdict: Row) -> list[Piece]:
    return [*_sentence_of(user, verdict), (f" (version {verdict.get('version', 0)})", "dim")]


def _sentence_of(user: str, verdict: Row) -> list[Piece]:
    is_pro = bool(verdict.get("isPro"))
    parts: list[Piece] = [f"{user} is ", ("Pro", "bold green") if is_pro else ("not Pro", "bold")]
    text = f": {verdict.get('status', 'none')}"
    if verdict.get("source"):
        text += f" through {verdict['source']}"
    if verdict.get("activeFrom"):
        text += f", since {when(verdict['activeFrom'])} UTC"
    if verdict.get("activeUntil"):
        text += f", until {when(verdict['activeUntil'])} UTC"
    return [*parts, text]


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
            _effect(fact),
            amount(fact),
            str(fact.get("eventId") or ""),
            *([str(fact["requestId"] or "")] if "requestId" in fact else []),
        )
        for fact in _sorted(facts, key="occurredAt")
    ]
    headings = ("when (UTC)", "what", "came by", "effect", "amount", "event", "request")
    table.show(headings[: max(map(len, rows), default=0)], rows)


def amount(fact: Row) -> str:
    """The amount in a fact as text; empty if it has none."""
    told = fact.get("amount")
    if not isinstance(told, Mapping) or not isinstance(told.get("amount"), int) or not told.get("currency"):
        return ""
    return money.part(told["amount"], told.get("of"), str(told["currency"]))


def _effect(fact: Row) -> str:
    """The effect of a fact; for an operator's adjustment also why, for which ticket and by whom."""
    effect, reason = str(fact.get("effect") or ""), str(fact.get("reason") or "")
    said = [reason] if reason not in effect else []
    said += [f"{name} {fact[key]}" for name, key in SAID if fact.get(key)]
    return ", ".join([*([effect] if effect != NO_EFFECT else []), *said])


def _rejected(row: Row) -> str:
    fact = row.get("fact", {})
    name = f"{fact.get('type', '')} {fact.get('eventId', '')}" if isinstance(fact, Mapping) else str(fact)
    return f"{name.strip()}: {row.get('because', '')}"


def _sentence(row: object) -> str:
    if not isinstance(row, Mapping):
        return str(row)
    what = str(row.get("what", "")).replace("_", " ")
    since = row.get("since") or row.get("at")
    about = " of ".join(str(row[key]) for key in ("id", "payment") if row.get(key))
    return f"{what}{f' since {when(since)} UTC' if since else ''}: {about}"


def _free(told: Row) -> list[str]:
    """A checkout that a coupon made free names the setting that would let it grant."""
    sentences = " ".join(str(row) for row in told.get("wouldChange", []))
    free = [str(row.get("id")) for row in told.get("payments", []) if row.get("because") == "free_checkout"]
    if not free or FREE_SETTING in sentences:
        return []
    return [f"With {FREE_SETTING}=true the free checkout {', '.join(free)} would grant Pro."]


def _list(title: str, sentences: list[str]) -> None:
    if sentences:
        say()
        say((title, "bold"))
        for sentence in sentences:
            say(f"  · {sentence}")


def _sorted(rows: Iterable[Any], key: str) -> list[Any]:
    return sorted(rows, key=lambda row: str(row.get(key) or "") if isinstance(row, Mapping) else "")
