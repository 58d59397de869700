"""What an explanation says in words, for whoever asks: plain text, with no markup of a terminal or of a page.

Every function takes what `/operator/explain` answers, or a part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from atlas_operator import money

Row = Mapping[str, Any]
NO_EFFECT = "recorded, changes nothing"
FREE_SETTING = "BILLING_GRANT_FREE_CHECKOUTS"


def verdict_words(verdict: Row) -> tuple[str, str]:
    """``("Pro", ": active through stripe, since …")``: the verdict itself, and what follows it in the sentence."""
    text = f": {verdict.get('status', 'none')}"
    if verdict.get("source"):
        text += f" through {verdict['source']}"
    if verdict.get("activeFrom"):
        text += f", since {when(verdict['activeFrom'])} UTC"
    if verdict.get("activeUntil"):
        text += f", until {when(verdict['activeUntil'])} UTC"
    return ("Pro" if verdict.get("isPro") else "not Pro"), text


def verdict_sentence(told: Row) -> str:
    """``ada is Pro: active through stripe, since … UTC``, without a full stop."""
    word, rest = verdict_words(told.get("verdict", {}))
    return f"{told.get('userId')} is {word}{rest}"


def reasons(told: Row) -> str:
    """Why the verdict is as it is, in one line: the verdict's sentence, and what each payment and each word came to."""
    said = [f"{verdict_sentence(told)}."]
    for payment in in_order(told.get("payments", []), key="since"):
        what = "grants" if payment.get("grants") else "grants nothing"
        said.append(f"Payment {payment.get('id')} {what}: {payment.get('because', '')}.")
    for fact in told.get("adjustments", []):
        words = effect(fact)
        said.append(f"{words[:1].upper()}{words[1:]} (by {fact.get('via')}).")
    return " ".join(said if len(said) > 1 else [*said, "Nothing that grants is known here."])


def when(instant: object) -> str:
    """An instant of ours, always UTC, to the second."""
    return str(instant or "").replace("T", " ").partition(".")[0].removesuffix("Z")


def amount(fact: Row) -> str:
    """The amount in a fact as text; empty if it has none."""
    told = fact.get("amount")
    if not isinstance(told, Mapping) or not isinstance(told.get("amount"), int) or not told.get("currency"):
        return ""
    return money.part(told["amount"], told.get("of"), str(told["currency"]))


def effect(fact: Row) -> str:
    """The effect of a fact; for an operator's adjustment also why, for which ticket and by whom."""
    done, reason = str(fact.get("effect") or ""), str(fact.get("reason") or "")
    said = [reason] if reason not in done else []
    said += [f"{name} {fact[key]}" for name, key in (("ticket", "ticket"), ("by", "operator")) if fact.get(key)]
    return ", ".join([*([done] if done != NO_EFFECT else []), *said])


def refused(row: Row) -> str:
    """A fact that counts for nothing, and why."""
    fact = row.get("fact", {})
    name = f"{fact.get('type', '')} {fact.get('eventId', '')}" if isinstance(fact, Mapping) else str(fact)
    return f"{name.strip()}: {row.get('because', '')}"


def sentence(row: object) -> str:
    """Something pending, warned of or that would change the verdict."""
    if not isinstance(row, Mapping):
        return str(row)
    what = str(row.get("what", "")).replace("_", " ")
    since = row.get("since") or row.get("at")
    about = " of ".join(str(row[key]) for key in ("id", "payment") if row.get(key))
    return f"{what}{f' since {when(since)} UTC' if since else ''}: {about}"


def free_checkouts(told: Row) -> list[str]:
    """A checkout that a coupon made free names the setting that would let it grant."""
    sentences = " ".join(str(row) for row in told.get("wouldChange", []))
    free = [str(row.get("id")) for row in told.get("payments", []) if row.get("because") == "free_checkout"]
    if not free or FREE_SETTING in sentences:
        return []
    return [f"With {FREE_SETTING}=true the free checkout {', '.join(free)} would grant Pro."]


def changes(told: Row) -> list[str]:
    """What would change the verdict, a sentence each."""
    return [sentence(row) for row in told.get("wouldChange", [])] + free_checkouts(told)


def in_order(rows: Iterable[Any], key: str) -> list[Any]:
    """The rows by the instant under ``key``, oldest first; those without one come first."""
    return sorted(rows, key=lambda row: str(row.get(key) or "") if isinstance(row, Mapping) else "")
