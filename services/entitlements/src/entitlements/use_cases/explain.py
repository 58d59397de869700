"""Why a user is or isn't Pro: every fact, where it came from, its effect, and what would change the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from psycopg.rows import dict_row

from atlas_contracts.model import iso_utc
from atlas_kit.storage.database import Connection
from entitlements.adapters.ledger import FACT_COLUMNS, fact_from_row
from entitlements.adapters.ledger_entry import is_newer
from entitlements.adapters.projection_store import load_entitlements
from entitlements.domain.facts import Dispute, Fact, FraudWarning, Refund, merge
from entitlements.domain.naming import payment_name
from entitlements.domain.payment import PaymentVerdict, judge
from entitlements.domain.policy import OPEN_DISPUTE, Policy, is_known_status, rank
from entitlements.domain.projection import Entitlement
from entitlements.domain.verdict import grants_by_word
from entitlements.use_cases.fact_amounts import amount_of
from entitlements.use_cases.fact_effects import changes

_FACTS_OF_USER = f"""
WITH mine AS (SELECT id AS payment_id FROM payments WHERE user_id = %(user)s OR also_users @> ARRAY[%(user)s]
              UNION SELECT payment_id FROM payment_facts JOIN ledger USING (seq) WHERE user_id = %(user)s)
SELECT {FACT_COLUMNS}, received_at, via, request_id, f.payment_id
FROM payment_facts f JOIN mine USING (payment_id) JOIN ledger USING (seq)
UNION ALL
SELECT {FACT_COLUMNS}, received_at, via, request_id, NULL
FROM ledger l WHERE user_id = %(user)s AND NOT EXISTS (SELECT 1 FROM payment_facts f WHERE f.seq = l.seq)
ORDER BY seq
"""  # noqa: S608 - names of our own columns

Row = dict[str, Any]
NOTHING = "recorded, changes nothing"


async def explain(connection: Connection, user_id: str, policy: Policy) -> dict[str, Any]:
    """The explanation in the shape of CONTRACT 10 (``explain --json``)."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_FACTS_OF_USER.encode(), {"user": user_id})
        rows = await cursor.fetchall()
    # Read after the facts: each statement sees what is committed by then, so the verdict includes every fact shown.
    found = await load_entitlements(connection, [user_id])
    payments = [_Payment(group, policy) for group in _by_payment(rows)]
    manual = [row for payment in payments if payment.provider == "manual" for row in payment.rows]
    adjusting = [row for row in manual if "adjustment" in row["facts"]]  # a newer version may know other kinds
    paying = [payment for payment in payments if payment.provider != "manual"]
    others = [row for row in rows if row["payment_id"] is None]
    entitlement = found[0] if found else Entitlement(user_id)
    return {
        "userId": user_id,
        "verdict": _verdict(entitlement),
        "payments": [payment.described() for payment in paying if payment.concerns(user_id)],
        "grantedByOperator": any(_granted_by_operator(payment) for payment in payments),
        "adjustments": [_described(row, _adjustment(row["facts"]["adjustment"])) for row in adjusting],
        "rejected": [item for payment in paying for item in payment.rejected(user_id)],
        "pending": [item for payment in paying for item in payment.pending()],
        "warnings": [item for payment in paying for item in payment.warnings()],
        "wouldChange": list(_would_change(entitlement, payments)),
        "requests": [_described(row, _kept(row)) for row in others],
    }


class _Payment:
    """One payment's rows of the ledger, and what they mean together."""

    def __init__(self, rows: Sequence[Row], policy: Policy) -> None:
        self.rows, self._policy = rows, policy
        self.facts = [fact_from_row(list(row.values())) for row in rows]
        self.provider = self.facts[0].provider
        self.name = payment_name({ref for fact in self.facts for ref in fact.refs})
        self.knowledge = merge(fact.knowledge() for fact in self.facts)
        self.verdict = self._judged(self.facts)

    def _judged(self, facts: Sequence[Fact]) -> PaymentVerdict:
        return judge(merge(fact.knowledge() for fact in facts), self.provider, self._policy)

    def concerns(self, user_id: str) -> bool:
        return user_id == self.verdict.user_id or user_id in self.verdict.others

    def described(self) -> dict[str, Any]:
        return {
            "id": self.name,
            "grants": self.verdict.grants,
            "because": self.verdict.because,
            "needsReview": self.verdict.review is not None,
            "facts": [_described(row, effect) for row, effect in zip(self.rows, self._effects(), strict=True)],
        }

    def _effects(self) -> list[str]:
        """The effect of each fact when it arrived, in the ledger's order."""
        effects = [NOTHING] * len(self.facts)
        for number, before, after in changes(len(self.facts), lambda count: self._judged(self.facts[:count])):
            effects[number - 1] = _effect(before, after, self.facts[number - 1])
        return effects

    def rejected(self, user_id: str) -> Iterator[dict[str, Any]]:
        for row, fact in zip(self.rows, self.facts, strict=True):
            if not all(is_known_status(snapshot) for snapshot in fact.snapshots):
                yield {"fact": _described(row, NOTHING), "because": "unknown_status"}
            elif self.verdict.rejected and row["user_id"] == user_id:
                yield {"fact": _described(row, NOTHING), "because": self.verdict.rejected}

    def pending(self) -> Iterator[dict[str, Any]]:
        if self.verdict.unfinished:
            yield {
                "payment": self.name,
                "what": f"payment_{self.verdict.unfinished.state}",
                "since": iso_utc(self.verdict.unfinished.since),
            }
        for dispute in self.latest(Dispute):
            if dispute.status in OPEN_DISPUTE:
                yield {"payment": self.name, "what": f"dispute_{dispute.status}", "id": dispute.id}
        for refund in self.latest(Refund):
            if refund.status in ("pending", "requires_action"):
                yield {"payment": self.name, "what": f"refund_{refund.status}", "id": refund.id}

    def latest(self, kind: type[Any]) -> list[Any]:
        """The newest snapshot of each refund or dispute."""
        told = [
            (max(tellings), s) for s, tellings in self.knowledge.items() if isinstance(s, kind) and is_known_status(s)
        ]
        told.sort(key=lambda item: (item[0].at, rank(item[1]), item[0].event_id))
        return list({snapshot.id: snapshot for _, snapshot in told}.values())

    def warnings(self) -> Iterator[dict[str, Any]]:
        for warning in self.latest(FraudWarning):
            yield {
                "payment": self.name,
                "what": "fraud_warning",
                "id": warning.id,
                "fraudType": warning.fraud_type,
                "actionable": warning.actionable,
            }


def _effect(before: PaymentVerdict, after: PaymentVerdict, fact: Fact) -> str:
    """The effect of a fact, in a few words: the first description that applies."""
    stopped, started = before.grants and not after.grants, after.grants and not before.grants
    effects = (
        (started, "grants again" if before.intervals else "grants"),
        (stopped, f"revokes ({after.because})"),
        (after.rejected is not None, f"rejected ({after.rejected})"),
        (bool(after.intervals) and not before.intervals, f"paid, but {after.because}"),
        (bool(after.intervals), "changes when it began or ended"),
        (after.ended is not None and before.ended is None, f"paid and refused, then {after.ended}"),
        (after.free, "free by a coupon, which doesn't grant here"),
        (after.unfinished is not None, f"payment {after.unfinished.state if after.unfinished else ''}"),
        (fact.type == "purchase_initiated", "session recorded"),
    )
    return next((effect for applies, effect in effects if applies), "recorded")


def _kept(row: Row) -> str:
    return "kept for a newer version of this service" if is_newer(row["schema_version"]) else "recorded"


def _would_change(entitlement: Entitlement, payments: Sequence[_Payment]) -> Iterator[str]:
    """What would change the verdict, in sentences for a support person."""
    granting = [payment for payment in payments if payment.verdict.grants]
    if entitlement.verdict.is_pro:
        names = ", ".join(payment.name for payment in granting)
        by_operator = any(_granted_by_operator(payment) for payment in payments)
        if names:
            beside = ", with `atlas revoke` for the operator's grant beside it," if by_operator else ""
            yield f"A full refund or a lost dispute of every granting payment ({names}){beside} would end Pro."
        elif by_operator:
            yield "`atlas revoke` would end the operator's grant."
        return
    for payment in payments:
        yield from _what_helps(payment)
    yield "A completed purchase or `atlas grant` would make the user Pro."


def _what_helps(payment: _Payment) -> Iterator[str]:
    verdict, name = payment.verdict, payment.name
    if verdict.review:
        yield (
            f"{name} is paid and can't grant ({verdict.review.reason}): refund it at Stripe, or run `atlas grant` "
            "if the buyer should have Pro."
        )
        return
    helps = {
        "refunded": f"If the refund of {name} failed or was canceled, Pro would be back.",
        "chargeback_lost": f"If the dispute of {name} was won after all, Pro would be back.",
        "suspended_by_dispute": f"When the dispute of {name} is won, Pro is back.",
        "payment_pending": f"When the money of {name} arrives, Pro begins.",
        "revoked_by_operator": f"`atlas revoke … --payment {name} --undo` would bring back what {name} grants.",
        "free_checkout": f"With BILLING_GRANT_FREE_CHECKOUTS=true {name}, which a coupon made free, would grant.",
    }
    if payment.provider != "manual" and not verdict.rejected and verdict.because in helps:
        yield helps[verdict.because]
    elif verdict.rejected:
        yield f"{name} can't grant: {verdict.rejected}."


def _granted_by_operator(payment: _Payment) -> bool:
    """Whether an operator's revoke would end something: their own grant, or one imported from another app."""
    return payment.provider == "manual" and any(grant.lasts for grant in grants_by_word(payment.knowledge))


def _by_payment(rows: Sequence[Row]) -> list[list[Row]]:
    groups: dict[int, list[Row]] = {}
    for row in rows:
        if row["payment_id"] is not None:
            groups.setdefault(row["payment_id"], []).append(row)
    return [groups[payment_id] for payment_id in sorted(groups)]


def _described(row: Row, effect: str) -> dict[str, Any]:
    return {
        "eventId": row["event_id"],
        "type": row["type"],
        "occurredAt": iso_utc(row["occurred_at"]),
        "receivedAt": iso_utc(row["received_at"]),
        "via": row["via"],
        "requestId": row["request_id"],
        "effect": effect,
        "amount": amount_of(row["facts"]),
        **_said_by(row["facts"].get("adjustment")),
    }


def _said_by(adjustment: object) -> dict[str, Any]:
    """Who made an adjustment, why, and for which ticket, as far as that was given."""
    told = adjustment if isinstance(adjustment, Mapping) else {}
    return {name: told[name] for name in ("reason", "operator", "ticket", "approvedBy") if told.get(name)}


def _adjustment(adjustment: Mapping[str, Any]) -> str:
    """What the operator (or the app that it is imported from) did, and the reason given for it."""
    return ": ".join(text for text in (adjustment["action"], adjustment.get("reason")) if text)


def _verdict(entitlement: Entitlement) -> dict[str, Any]:
    verdict = entitlement.verdict
    return {
        "isPro": verdict.is_pro,
        "status": verdict.status,
        "source": verdict.source,
        "activeFrom": iso_utc(verdict.active_from) if verdict.active_from else None,
        "activeUntil": iso_utc(verdict.active_until) if verdict.active_until else None,
        "version": entitlement.version,
    }
