"""A second opinion on who is Pro, written anew from CONTRACT 5, 10 and 11 and not from the code.

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
BY_HAND = ("grant", "revoke")

Time = tuple[datetime, datetime | None]


@dataclass
class Rules:
    """The installation's choices."""

    grant_free_checkouts: bool = False
    suspend_on_dispute: bool = False
    require_known_session: bool = False
    currencies: tuple[str, ...] = ("usd",)


def verdicts(events: Iterable[BillingData], rules: Rules | None = None) -> dict[str, dict[str, Any]]:
    """What every user with a purchase or a manual grant is entitled to; a user without any is left out."""
    rules = rules or Rules()
    distinct = list({(e.provider.value, e.provider_event_id): e for e in events}.values())
    times: dict[str, list[tuple[datetime, datetime | None, str]]] = defaultdict(list)
    for payment in payments(distinct):
        provider = next((e.provider.value for e in payment if e.provider.value != "manual"), "stripe")
        for user, granted in times_of_payment(payment, rules).items():
            times[user] += [(start, end, provider) for start, end in granted]
    for user in {e.user_id for e in distinct if is_by_hand(e)}:
        times[user] += times_by_hand([e for e in distinct if is_by_hand(e) and e.user_id == user])
    return {user: entitlement(spans) for user, spans in times.items() if spans}


def reviews(events: Iterable[BillingData], rules: Rules | None = None) -> set[tuple[str, str]]:
    """Who has money here that didn't make them Pro: (user, why) of every payment that is paid and refused."""
    distinct = list({(e.provider.value, e.provider_event_id): e for e in events}.values())
    return {pair for payment in payments(distinct) for pair in review_of(payment, rules or Rules())}


def is_by_hand(event: BillingData) -> bool:
    return event.adjustment is not None and event.adjustment.action in BY_HAND


def payments(events: list[BillingData]) -> list[list[BillingData]]:
    """Events that share an id of a session, payment intent, charge, refund or dispute, directly or through others."""
    about = [e for e in events if not is_by_hand(e) and e.restore is None]
    groups: list[tuple[set[tuple[str, ...]], list[BillingData]]] = []
    for event in about:
        provider = "stripe" if event.provider.value == "manual" else event.provider.value
        ids = {(provider, kind, value) for kind, value in event.refs.model_dump().items() if value and kind != "customer_id"}
        touching = [group for group in groups if group[0] & ids]
        groups = [group for group in groups if not group[0] & ids]
        for group in touching:
            ids |= group[0]
        groups.append((ids, [e for group in touching for e in group[1]] + [event]))
    return [members for _, members in groups]


def times_of_payment(events: list[BillingData], rules: Rules) -> dict[str, list[Time]]:
    """For each user whom it ever made Pro, or might have: from when to when."""
    genuine = trusted(events, rules)
    users = {e.user_id for e in genuine}
    paid = [e for e in genuine if pays(e, rules)]
    if not paid:
        return {}
    begin, price = paid_when(paid), price_of(paid)
    spans = granting(events, begin, price, rules)
    if len(users) == 1:
        return {paid[0].user_id: spans}
    first_told = {user: min((e.occurred_at, e.event_id) for e in genuine if e.user_id == user) for user in users}
    had_it, *others = sorted(users, key=lambda user: (first_told[user], user))
    until = max(begin, first_told[others[0]][0])
    kept = [(start, until if end is None else end) for start, end in spans if start < until]
    payers = {e.user_id for e in paid}
    return {user: (kept or [(until, until)]) if user == had_it else [(until, until)] for user in payers}


def trusted(events: list[BillingData], rules: Rules) -> list[BillingData]:
    """Sessions that are ours; where they name several users, those that the checkout service recorded, if any."""
    genuine = [e for e in events if e.checkout_session and why_refused(e, events, rules) is None]
    if len({e.user_id for e in genuine}) > 1:
        recorded = {e.recorded_session.id for e in events if e.recorded_session}
        genuine = [e for e in genuine if e.checkout_session.id in recorded] or genuine
    return genuine


def review_of(events: list[BillingData], rules: Rules) -> set[tuple[str, str]]:
    genuine = trusted(events, rules)
    users = {e.user_id for e in genuine}
    if len(users) == 1 and any(pays(e, rules) for e in genuine):
        return set()
    if len(users) > 1:
        concerned, why = [e for e in genuine if pays(e, rules)], "contradicting_user"
        owners = users
    else:
        refused = [(e, why_refused(e, events, rules)) for e in events if e.checkout_session and e.checkout_session.payment_status == "paid" and e.checkout_session.paid_at]
        refused = [(e, why) for e, why in refused if why and is_somebodys(e, events)]
        concerned = [e for e, _ in refused]
        why = min((why for _, why in refused), default="")
        owners = {e.user_id for e in concerned if e.user_id}
        owners |= {r.user_id for r in events if r.recorded_session and r.recorded_session.id in {e.checkout_session.id for e in concerned}}
    if not concerned:
        return set()
    spans = granting(events, paid_when(concerned), price_of(concerned), rules)
    if spans[-1][1] is not None:
        last = max([e.occurred_at for e in events] + [paid_when(concerned)])
        kind = why_it_ended([e for e in events if e.occurred_at <= last], price_of(concerned), rules)
        if kind != "suspended":
            return set()
    return {(user, why) for user in owners}


def is_somebodys(event: BillingData, payment: list[BillingData]) -> bool:
    recorded = any(e.recorded_session and e.recorded_session.id == event.checkout_session.id for e in payment)
    other = event.checkout_session.product_key not in (None, "pro_lifetime_v1")
    return recorded or (event.user_id is not None and not other)


def paid_when(paid: list[BillingData]) -> datetime:
    told = [e.checkout_session.paid_at for e in paid if not e.checkout_session.paid_at_inferred]
    return min(told or [e.checkout_session.paid_at for e in paid])


def price_of(paid: list[BillingData]) -> int:
    return max(e.checkout_session.amount_total or 0 for e in paid)


def granting(events: list[BillingData], begin: datetime, price: int, rules: Rules) -> list[Time]:
    moments = sorted({begin} | {e.occurred_at for e in events if e.occurred_at > begin})
    spans: list[Time] = []
    granting_since: datetime | None = None
    for moment in moments:
        lives = why_it_ended([e for e in events if e.occurred_at <= moment], price, rules) is None
        if lives and granting_since is None:
            granting_since = moment
        if not lives and (granting_since or moment == begin):
            spans.append((granting_since or moment, moment))
            granting_since = None
    return spans + ([(granting_since, None)] if granting_since else [])


def why_refused(event: BillingData, payment: list[BillingData], rules: Rules) -> str | None:
    """Whether a session may grant at all: CONTRACT 5's ownership, CONTRACT 11's offers."""
    session = event.checkout_session
    assert session
    if session.payment_status not in ("paid", "unpaid", "no_payment_required"):
        return "unknown"
    if not event.user_id:
        return "no_user_in_metadata"
    if session.product_key != "pro_lifetime_v1":
        return "other_product"
    if event.provider.value != "stripe":
        return None
    if session.mode != "payment":
        return "not_a_one_time_payment"
    if session.payment_link:
        return "made_by_a_payment_link"
    free = session.payment_status == "no_payment_required"
    records = sorted(
        (other for other in payment if other.recorded_session and other.recorded_session.id == session.id),
        key=lambda other: (other.user_id, other.recorded_session.amount, other.recorded_session.currency),
    )
    if records:
        recorded = records[0].recorded_session
        offers = {(recorded.amount, recorded.currency)} | {(offer.amount, offer.currency) for offer in recorded.offers}
        asked = session.amount_total if session.amount_subtotal is None else session.amount_subtotal
        if records[0].user_id != event.user_id:
            return "other_user_than_recorded"
        if session.currency not in {currency for _, currency in offers}:
            return "other_currency_than_recorded"
        return None if free or (asked, session.currency) in offers else "other_amount_than_recorded"
    if rules.require_known_session:
        return "unknown_session"
    if session.currency not in rules.currencies:
        return "other_currency"
    return None if free or session.amount_total else "no_amount"


def pays(event: BillingData, rules: Rules) -> bool:
    session = event.checkout_session
    if not session.paid_at:
        return False
    return session.payment_status == "paid" or (session.payment_status == "no_payment_required" and rules.grant_free_checkouts)


def why_it_ended(events: list[BillingData], price: int, rules: Rules) -> str | None:
    """Why, as far as these events tell, the payment doesn't stand; None while it does."""
    refunds, disputes = {}, {}
    for event in sorted(events, key=lambda e: (e.occurred_at, place(e), e.event_id)):
        if event.refund and event.refund.status in REFUND_STATUSES:
            refunds[event.refund.id] = event.refund
        if event.dispute and event.dispute.status in DISPUTE_STATUSES:
            disputes[event.dispute.id] = event.dispute.status
    if price and given_back(events, refunds) >= price:
        return "refunded"
    if "lost" in disputes.values():
        return "lost"
    words = [e for e in events if e.adjustment and not is_by_hand(e)]
    if words and max(words, key=lambda e: (e.occurred_at, e.adjustment.action == "revoke_payment")).adjustment.action == "revoke_payment":
        return "operator"
    return "suspended" if rules.suspend_on_dispute and any(status in OPEN for status in disputes.values()) else None


def given_back(events: list[BillingData], refunds: dict[str, Any]) -> int:
    """The greatest of the succeeded refunds' sum, and of what each charge told less the failures it still held."""
    succeeded = sum(r.amount for r in refunds.values() if r.status == "succeeded")
    charges = sorted({e.charge.id for e in events if e.charge})
    total = 0
    for charge in charges:
        greatest = 0
        for told in (e for e in events if e.charge and e.charge.id == charge):
            still = told.charge.amount_refunded
            for refund in refunds.values():
                if refund.status not in ("failed", "canceled"):
                    continue
                tellings = [e for e in events if e.refund and e.refund.id == refund.id and e.refund.status in ("failed", "canceled")]
                first = min(e.occurred_at for e in tellings)
                in_its_second_by_a_read = any(e.occurred_at == first and is_read(e) for e in tellings)
                known_charges = sorted({e.refs.charge_id for e in events if e.refund and e.refund.id == refund.id and e.refs.charge_id})
                if (known_charges or charges)[0] != charge:
                    continue
                beside_it = first == told.occurred_at and in_its_second_by_a_read and is_read(told)
                if first >= told.occurred_at and not beside_it:
                    still -= refund.amount
            greatest = max(greatest, still)
        total += greatest
    return max(succeeded, total)


def is_read(event: BillingData) -> bool:
    return event.provider_event_type == "read"


def place(event: BillingData) -> int:
    """Which of two statuses of one second is the later."""
    if event.refund and event.refund.status in REFUND_STATUSES:
        return REFUND_STATUSES.index(event.refund.status)
    if event.dispute and event.dispute.status in DISPUTE_STATUSES:
        return DISPUTE_STATUSES.index(event.dispute.status)
    return 0


def times_by_hand(adjustments: list[BillingData]) -> list[tuple[datetime, datetime | None, str]]:
    """Of one instant the revoke holds."""
    spans: list[tuple[datetime, datetime | None, str]] = []
    since: datetime | None = None
    for event in sorted((e for e in adjustments if not e.adjustment.imported), key=lambda e: (e.occurred_at, BY_HAND.index(e.adjustment.action), e.event_id)):
        assert event.adjustment
        if event.adjustment.action == "grant" and since is None:
            since = event.occurred_at
        if event.adjustment.action == "revoke" and since is not None:
            spans.append((since, event.occurred_at, "manual"))
            since = None
    return spans + ([(since, None, "manual")] if since else []) + times_imported(adjustments)


def times_imported(words: list[BillingData]) -> list[tuple[datetime, datetime | None, str]]:
    """What the app that we replace said last, until it ended there or an operator here ended it."""
    told = [(e.adjustment.imported, e.provider.value) for e in words if e.adjustment.imported]
    if not told:
        return []
    last, source = max(told, key=lambda one: (one[0].as_of, bool(one[0].active_until), one[0].active_until or one[0].as_of, one[0].active_from, one[1]))
    ours = [e.occurred_at for e in words if not e.adjustment.imported and e.adjustment.action == "revoke"]
    ends = [last.active_until] + [at for at in ours if at >= last.active_from]
    return [(last.active_from, min((at for at in ends if at), default=None), source)]


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
