"""A second opinion on who is Pro, written from the contract and not from the code.

Straight-line and naive: no merging, no registers, no incremental state. It takes the whole heap of canonical events,
removes repeated ones, and for every second at which anything happened asks "what would we say if this were now?".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from atlas_contracts.billing import BillingData

DISPUTE_STATUSES = ["warning_needs_response", "warning_under_review", "warning_closed", "prevented", "needs_response", "under_review", "appeal_needs_response", "appeal_under_review", "won", "lost"]
REFUND_STATUSES = ["pending", "requires_action", "succeeded", "canceled", "failed"]
OPEN = ["needs_response", "under_review", "appeal_needs_response", "appeal_under_review"]
TIE = ["stripe", "ios_iap", "android_iap", "manual"]


@dataclass
class Rules:
    """The installation's choices."""

    grant_free_checkouts: bool = False
    suspend_on_dispute: bool = False
    require_known_session: bool = False
    currency: str = "usd"


def verdicts(events: Iterable[BillingData], rules: Rules | None = None) -> dict[str, dict[str, Any]]:
    """What every user with a purchase or a manual grant is entitled to; a user without any is left out."""
    rules = rules or Rules()
    distinct = list({(e.provider.value, e.provider_event_id): e for e in events}.values())
    times: dict[str, list[tuple[datetime, datetime | None, str]]] = defaultdict(list)
    for payment in payments(distinct):
        user, granted = times_of_payment(payment, rules)
        if user:
            times[user] += [(start, end, payment[0].provider.value) for start, end in granted]
    for user in {e.user_id for e in distinct if e.adjustment}:
        times[user] += times_by_hand([e for e in distinct if e.adjustment and e.user_id == user])
    return {user: entitlement(spans) for user, spans in times.items() if spans}


def payments(events: list[BillingData]) -> list[list[BillingData]]:
    """Events that share an id of a session, payment intent, charge, refund or dispute, directly or through others."""
    about = [e for e in events if e.checkout_session or e.recorded_session or e.charge or e.refund or e.dispute]
    groups: list[tuple[set[tuple[str, ...]], list[BillingData]]] = []
    for event in about:
        ids = {
            (event.provider.value, kind, value)
            for kind, value in event.refs.model_dump().items()
            if value and kind != "customer_id"
        }
        touching = [group for group in groups if group[0] & ids]
        groups = [group for group in groups if not group[0] & ids]
        for group in touching:
            ids |= group[0]
        groups.append((ids, [e for group in touching for e in group[1]] + [event]))
    return [members for _, members in groups]


def times_of_payment(
    events: list[BillingData], rules: Rules
) -> tuple[str | None, list[tuple[datetime, datetime | None]]]:
    """Whose payment this is, and from when to when it granted."""
    genuine = [e for e in events if e.checkout_session and is_ours(e, events, rules)]
    if len({e.user_id for e in genuine}) != 1:
        return None, []
    user = genuine[0].user_id
    paid = [e for e in genuine if e.checkout_session.paid_at and grants(e.checkout_session.payment_status, rules)]
    if not paid:
        return user, []
    told = [e.checkout_session.paid_at for e in paid if not e.checkout_session.paid_at_inferred]
    begin = min(told or [e.checkout_session.paid_at for e in paid])
    price = max(e.checkout_session.amount_total or 0 for e in paid)
    moments = sorted({begin} | {e.occurred_at for e in events if e.occurred_at > begin})
    spans: list[tuple[datetime, datetime | None]] = []
    granting_since: datetime | None = None
    for moment in moments:
        lives = money_is_ours([e for e in events if e.occurred_at <= moment], price, rules)
        if lives and granting_since is None:
            granting_since = moment
        if not lives and (granting_since or moment == begin):
            spans.append((granting_since or moment, moment))
            granting_since = None
    return user, spans + ([(granting_since, None)] if granting_since else [])


def is_ours(event: BillingData, payment: list[BillingData], rules: Rules) -> bool:
    session = event.checkout_session
    assert session
    if session.payment_status not in ("paid", "unpaid", "no_payment_required"):
        return False
    if not event.user_id or session.product_key != "pro_lifetime_v1":
        return False
    if event.provider.value != "stripe":
        return True
    if session.mode != "payment" or session.payment_link:
        return False
    free = session.payment_status == "no_payment_required"
    for other in payment:
        recorded = other.recorded_session
        if recorded and recorded.id == session.id:
            as_asked = session.amount_total == recorded.amount or free
            return other.user_id == event.user_id and session.currency == recorded.currency and as_asked
    if rules.require_known_session or session.currency != rules.currency:
        return False
    return free or bool(session.amount_total)


def grants(payment_status: str, rules: Rules) -> bool:
    return payment_status == "paid" or (payment_status == "no_payment_required" and rules.grant_free_checkouts)


def money_is_ours(events: list[BillingData], price: int, rules: Rules) -> bool:
    """Whether, as far as these events tell, the payment stands."""
    refunds, disputes = {}, {}
    for event in sorted(events, key=lambda e: (e.occurred_at, place(e), e.event_id)):
        if event.refund and event.refund.status in REFUND_STATUSES:
            refunds[event.refund.id] = event.refund
        if event.dispute and event.dispute.status in DISPUTE_STATUSES:
            disputes[event.dispute.id] = event.dispute.status
    given_back = sum(r.amount for r in refunds.values() if r.status == "succeeded")
    came_back = sum(r.amount for r in refunds.values() if r.status in ("failed", "canceled"))
    by_charge: dict[str, int] = {}
    for event in events:
        if event.charge:
            by_charge[event.charge.id] = max(event.charge.amount_refunded, by_charge.get(event.charge.id, 0))
    refunded = max(given_back, sum(by_charge.values()) - came_back)
    if price and refunded >= price:
        return False
    if "lost" in disputes.values():
        return False
    return not (rules.suspend_on_dispute and any(status in OPEN for status in disputes.values()))


def place(event: BillingData) -> int:
    """Which of two statuses of one second is the later."""
    if event.refund and event.refund.status in REFUND_STATUSES:
        return REFUND_STATUSES.index(event.refund.status)
    if event.dispute and event.dispute.status in DISPUTE_STATUSES:
        return DISPUTE_STATUSES.index(event.dispute.status)
    return 0


def times_by_hand(adjustments: list[BillingData]) -> list[tuple[datetime, datetime | None, str]]:
    spans: list[tuple[datetime, datetime | None, str]] = []
    since: datetime | None = None
    for event in sorted(adjustments, key=lambda e: (e.occurred_at, e.event_id)):
        assert event.adjustment
        if event.adjustment.action == "grant" and since is None:
            since = event.occurred_at
        if event.adjustment.action == "revoke" and since is not None:
            spans.append((since, event.occurred_at, "manual"))
            since = None
    return spans + ([(since, None, "manual")] if since else [])


def entitlement(spans: list[tuple[datetime, datetime | None, str]]) -> dict[str, Any]:
    """Pro while anything grants; the start is that of the unbroken time."""
    real = [span for span in spans if span[0] != span[1]] or spans
    now = [span for span in real if span[1] is None]
    until = None if now else max(end for _, end, _ in real if end)
    last = now or [span for span in real if span[1] == until]
    start = min(span[0] for span in last)
    while earlier := [s for s in real if s[0] < start and (s[1] is None or s[1] >= start)]:
        start = min(span[0] for span in earlier)
    source = min((span[0], TIE.index(span[2]), span[2]) for span in last)[2]
    return {
        "is_pro": bool(now),
        "status": "active" if now else "revoked",
        "source": source,
        "active_from": start,
        "active_until": until,
    }
