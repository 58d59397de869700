"""What the buyer's page shows, made of what the desk is told of them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from atlas_operator import sentences
from atlas_operator.desk.pages.history import FactSeen, history_of
from atlas_operator.desk.pages.picture import WIDTHS, picture, short
from atlas_operator.desk.person import Action, Visit
from atlas_operator.desk.ports import ActionForm, ActionRefused

FACTS_SHOWN = 25
"""Facts of the table that are seen at once; the older ones are folded."""
PAYMENTS_SHOWN = 6
REQUESTS_SHOWN = 5
KEY_BYTES = 16

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PaymentSeen:
    """A payment as it is shown: what it comes to, why, and what can be done."""

    id: str
    state: str
    word: str
    because: str
    remedy: str
    amount: str
    since: str


@dataclass(frozen=True, slots=True)
class ActForm:
    """The form of an approver's word, as it was sent when it was refused. ``payments``: which one it may be about."""

    reason: str
    ticket: str
    payment: str
    key: str
    payments: tuple[tuple[str, str], ...]
    wrong: str
    field: str


def buyer_view(
    told: Told, visit: Visit, now: datetime, asked: ActionForm | None, refused: ActionRefused | None
) -> dict[str, Any]:
    """The values of ``buyer.html``."""
    history = history_of(told)
    payments = [_payment(row) for row in _newest_first(told.get("payments", ()))]
    verdict = told.get("verdict", {})
    requests = told.get("requestIds", ())
    return {
        "user": str(told.get("userId") or ""),
        "sentence": told.get("sentence") or sentences.verdict(told),
        "is_pro": bool(verdict.get("isPro")),
        "known": told.get("known", True),
        "advice": sentences.advice(told),
        "would_change": sentences.would_change(told),
        "pictures": [drawn for width in WIDTHS if (drawn := picture(history, width, now))],
        "periods": history.verdict,
        "payments": payments[:PAYMENTS_SHOWN],
        "older_payments": payments[PAYMENTS_SHOWN:],
        "pending": [_about(row) for row in told.get("pending", ())],
        "warnings": [_about(row) for row in told.get("warnings", ())],
        "rejected": [_rejected(row) for row in told.get("rejected", ())],
        "parked": told.get("parked", ()),
        "restores": [_restore(row) for row in _newest_first(told.get("restores", told.get("requests", ())))],
        "request_ids": list(requests)[:REQUESTS_SHOWN],
        "older_request_ids": list(requests)[REQUESTS_SHOWN:],
        "waiting": [waiting_revoke(row, visit) for row in told.get("waitingRevokes", ())],
        "unread": told.get("unread", ()),
        "facts": _named(history.facts[:FACTS_SHOWN]),
        "older_facts": _named(history.facts[FACTS_SHOWN:]),
        "form": _form(told, visit, asked, refused),
        "refused": str(refused) if refused else "",
        "key": secrets.token_hex(KEY_BYTES),
    }


def _payment(row: Told) -> PaymentSeen:
    facts = row.get("facts", ())
    first = min((str(fact.get("occurredAt") or "") for fact in facts), default="")
    amounts = [sentences.amount(fact) for fact in facts if str(fact.get("type")).startswith("purchase")]
    grants = bool(row.get("grants"))
    state = "grants" if grants else "refused" if row.get("needsReview") else "nothing"
    return PaymentSeen(
        str(row.get("id") or ""), state, str(row.get("because") or ""), sentences.because(row.get("because")),
        sentences.remedy(row), next((text for text in amounts if text), ""), sentences.when(first),
    )  # fmt: skip


def _about(row: object) -> str:
    return sentences.capital(sentences.about(row))


def _rejected(row: Told) -> tuple[str, str]:
    return sentences.rejected(row), sentences.because(row.get("because"))


def _restore(row: Told) -> dict[str, str]:
    what = sentences.capital(str(row.get("type") or "").replace("_", " "))
    return {"when": sentences.when(row.get("occurredAt")), "what": what, "effect": sentences.effect(row)}


def waiting_revoke(row: Told, visit: Visit) -> dict[str, Any]:
    """A revoke that waits: what it would end, and what this person may do about it."""
    own = visit.person.is_same_as(str(row.get("requestedBy") or ""))
    what = f"what {short(str(row['paymentId']))} grants" if row.get("paymentId") else "the operator's grant"
    may_approve = visit.person.may(Action.APPROVE) and not own
    return {
        **row,
        "what": what,
        "own": own,
        "may_approve": may_approve,
        "may_withdraw": visit.person.may(Action.WITHDRAW),
    }


def _named(facts: Sequence[FactSeen]) -> list[tuple[FactSeen, str]]:
    return [(fact, short(fact.lane)) for fact in facts]


def _form(told: Told, visit: Visit, asked: ActionForm | None, refused: ActionRefused | None) -> ActForm | None:
    if not visit.person.may(Action.GRANT):
        return None
    payments = _endable(told)
    given = next((str(row["id"]) for row in told.get("payments", ()) if row.get("grants")), "")
    if not given and not told.get("grantedByOperator") and payments:
        given = payments[0][0]
    return ActForm(
        asked.reason if asked else "",
        asked.ticket if asked else "",
        (asked.payment_id or "") if asked else given,
        (asked.key if asked else "") or secrets.token_hex(KEY_BYTES),
        payments,
        str(refused) if refused else "",
        refused.field if refused else "",
    )


def _endable(told: Told) -> tuple[tuple[str, str], ...]:
    """Payments that can be revoked, or whose revoke can be taken back: their id, and what the choice is called."""
    rows = [row for row in _newest_first(told.get("payments", ())) if str(row.get("id")).startswith(("pi_", "cs_"))]
    said = [
        (str(row["id"]), f"{short(str(row['id']))} ({str(row.get('because') or '').replace('_', ' ')})")
        for row in rows
        if row.get("grants") or row.get("because") in ("revoked_by_operator", "paid")
    ]
    return tuple(said)


def _newest_first(rows: Sequence[Told]) -> list[Told]:
    def first(row: Told) -> str:
        times = [str(fact.get("occurredAt") or "") for fact in row.get("facts", ())]
        return min(times, default=str(row.get("occurredAt") or ""))

    return sorted(rows, key=first, reverse=True)
