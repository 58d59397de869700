"""Reads from an explanation which grants an operator can end."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

Told = Mapping[str, Any]
REVOKED = "revoked_by_operator"
ENDED, GIVEN_BACK = "entitlement_revoked", "entitlement_granted"


def facts(told: Told) -> Iterator[Mapping[str, Any]]:
    """Every fact of an explanation."""
    yield from told.get("adjustments", ())
    yield from told.get("requests", ())
    for payment in told.get("payments", ()):
        yield from payment.get("facts", ())
    for row in told.get("rejected", ()):
        if isinstance(row.get("fact"), Mapping):
            yield row["fact"]


def knows(told: Told, event_id: str) -> bool:
    """Whether the event is among the facts."""
    return any(fact.get("eventId") == event_id for fact in facts(told))


def said_before(told: Told, key: str) -> bool:
    """Whether the ledger has an operator's fact under this idempotency key: ingest then decides if it is the same."""
    return any(str(fact.get("eventId", "")).startswith(f"manual:{key}:") for fact in facts(told))


def granted_by_operator(told: Told) -> bool:
    """Whether an operator's grant is in force."""
    return told.get("grantedByOperator") is True


def is_revoked(told: Told, payments: Collection[str]) -> bool:
    """Whether an operator has ended what this payment (by any of its ids) grants, whatever else ended it since."""
    return any(
        payment.get("because") == REVOKED or _last_word(payment) == ENDED
        for payment in told.get("payments", ())
        if payment.get("id") in payments
    )


def _last_word(payment: Told) -> str:
    """The type of the operator's latest fact about a payment; of two at one instant, the one that ends the grant."""
    words = [
        (str(fact.get("occurredAt")), fact["type"] == ENDED, str(fact["type"]))
        for fact in payment.get("facts", ())
        if fact.get("type") in (ENDED, GIVEN_BACK)
    ]
    return max(words)[2] if words else ""


def through(told: Told) -> str:
    """A sentence: what makes somebody Pro, or why they aren't, and what would end it."""
    user, verdict = told.get("userId"), told.get("verdict", {})
    granting = [str(payment["id"]) for payment in told.get("payments", ()) if payment.get("grants")]
    if granting:
        ends = f"./atlas revoke {user} --payment {granting[0]} --reason … ends that without a refund"
        what = "payment" if len(granting) == 1 else "payments"
        return f"{user} is Pro through {what} {', '.join(granting)} (a refund at Stripe ends it; {ends})."
    if verdict.get("isPro"):
        return f"{user} is Pro through {verdict.get('source')}."
    return f"{user} is not Pro ({verdict.get('status', 'none')})."
