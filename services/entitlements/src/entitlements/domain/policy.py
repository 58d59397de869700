"""The entitlement policy, rule by rule. Every rule about what grants and what revokes is here and nowhere else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from entitlements.domain.facts import Charge, CheckoutSession, Dispute, RecordedSession, Refund

PRODUCT = "pro_lifetime_v1"

REFUND_RANK = {
    status: rank for rank, status in enumerate(("pending", "requires_action", "succeeded", "canceled", "failed"))
}
"""Refund statuses, low to high: which one holds when two are told in one second."""

DISPUTE_RANK = {
    status: rank
    for rank, status in enumerate(
        (
            "warning_needs_response",
            "warning_under_review",
            "warning_closed",
            "prevented",
            "needs_response",
            "under_review",
            "appeal_needs_response",
            "appeal_under_review",
            "won",
            "lost",
        )
    )
}
"""Dispute statuses, low to high: which one holds when two are told in one second."""

OPEN_DISPUTE = frozenset({"needs_response", "under_review", "appeal_needs_response", "appeal_under_review"})

RevokedBecause = Literal["refunded", "chargeback_lost", "suspended_by_dispute"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator of this installation decided (configuration, CONTRACT section 5)."""

    grant_free_checkouts: bool = False
    suspend_on_dispute: bool = False
    require_known_session: bool = False
    currency: str = "usd"
    livemode: bool | None = None
    """True or False: only sessions of that mode are ours. None: the door has already seen to it."""


def why_not_ours(
    session: CheckoutSession, recorded: RecordedSession | None, provider: str, policy: Policy
) -> str | None:
    """Why a session may not grant whatever it says about payment; None when it is ours."""
    refusals = [
        ("no_user_in_metadata", session.user_id is None),
        ("other_product", session.product_key != PRODUCT),
    ]
    if provider == "stripe":
        refusals += [
            ("not_a_one_time_payment", session.mode != "payment"),
            ("made_by_a_payment_link", session.payment_link),
            ("other_livemode", policy.livemode is not None and session.livemode != policy.livemode),
            *(_against_record(session, recorded) if recorded else _unrecorded(session, policy)),
        ]
    return next((reason for reason, refused in refusals if refused), None)


def _against_record(session: CheckoutSession, recorded: RecordedSession) -> list[tuple[str, bool]]:
    """A session that our checkout service made must be what it asked for; a coupon may make it free."""
    free = session.payment_status == "no_payment_required"
    return [
        ("other_user_than_recorded", session.user_id != recorded.user_id),
        ("other_currency_than_recorded", session.currency != recorded.currency),
        ("other_amount_than_recorded", not free and session.amount_total != recorded.amount),
    ]


def _unrecorded(session: CheckoutSession, policy: Policy) -> list[tuple[str, bool]]:
    """Of a session that nobody recorded the amount can't be checked, but currency and amount above zero can."""
    free = session.payment_status == "no_payment_required"
    return [
        ("unknown_session", policy.require_known_session),
        ("other_currency", session.currency != policy.currency),
        ("no_amount", not free and not session.amount_total),
    ]


def pays(session: CheckoutSession, policy: Policy) -> bool:
    """A paid session grants; a free one (100 % coupon) when the operator said so; an unpaid one never."""
    if session.paid_at is None:
        return False
    if session.payment_status == "no_payment_required":
        return policy.grant_free_checkouts
    return session.payment_status == "paid"


def amount_refunded(refunds: Collection[Refund], charges: Mapping[str, int]) -> int:
    """How much of a payment was given back.

    A refund counts when it succeeded, and when the charge's cumulative amount says so; what failed or was canceled
    is taken off that amount again. ``charges`` maps each charge to the highest cumulative amount told.
    """
    succeeded = sum(refund.amount for refund in refunds if refund.status == "succeeded")
    bounced = sum(refund.amount for refund in refunds if refund.status in ("failed", "canceled"))
    return max(succeeded, sum(charges.values()) - bounced)


def why_revoked(
    amount: int, refunds: Collection[Refund], charges: Mapping[str, int], disputes: Collection[Dispute], policy: Policy
) -> RevokedBecause | None:
    """Why a paid payment doesn't grant; None while it does.

    A full refund revokes, in one step or in several; a partial one keeps. A lost dispute revokes; won, prevented,
    inquiries (``warning_*``) and open disputes keep, the last unless the operator suspends on dispute.
    """
    if amount > 0 and amount_refunded(refunds, charges) >= amount:
        return "refunded"
    statuses = {dispute.status for dispute in disputes}
    if "lost" in statuses:
        return "chargeback_lost"
    if policy.suspend_on_dispute and statuses & OPEN_DISPUTE:
        return "suspended_by_dispute"
    return None


def is_known_status(snapshot: object) -> bool:
    """A status Stripe may add one day is recorded, changes nothing, and is reported."""
    match snapshot:
        case Refund(status=status):
            return status in REFUND_RANK
        case Dispute(status=status):
            return status in DISPUTE_RANK
        case CheckoutSession(payment_status=status):
            return status in ("paid", "unpaid", "no_payment_required")
        case _:
            return True


def rank(snapshot: object) -> int:
    """Order among snapshots of one object told in the same second."""
    match snapshot:
        case Refund(status=status):
            return REFUND_RANK[status]
        case Dispute(status=status):
            return DISPUTE_RANK[status]
        case Charge(amount_refunded=refunded):
            return refunded
        case _:
            return 0
