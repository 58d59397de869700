"""The entitlement policy, rule by rule. Every rule about what grants and what revokes is here and nowhere else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from atlas_stripe import session_ownership
from atlas_stripe.session_ownership import Record, Rules
from entitlements.domain.facts import (
    Charge,
    CheckoutSession,
    Dispute,
    PaymentAdjustment,
    RecordedSession,
    Refund,
)

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

RevokedBecause = Literal["refunded", "chargeback_lost", "revoked_by_operator", "suspended_by_dispute"]
ENDED_THERE: Literal["ended_in_old_app"] = "ended_in_old_app"
"""Why an imported grant is over that no operator of ours has ended: the app that we replace said so."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator of this installation decided (configuration, CONTRACT section 5)."""

    grant_free_checkouts: bool = False
    suspend_on_dispute: bool = False
    require_known_session: bool = False
    currencies: tuple[str, ...] = ("usd",)
    """Of sessions that nobody recorded."""
    livemode: bool | None = None
    """True or False: only sessions of that mode are ours. None: the door has already seen to it."""


def why_not_ours(
    session: CheckoutSession, recorded: RecordedSession | None, provider: str, policy: Policy
) -> str | None:
    """Why a session may not grant whatever it says about payment; None when it is ours.

    Stripe's sessions are held to the rule that the checkout service's audit asks as well.
    """
    if provider != "stripe":
        refusals = (("no_user_in_metadata", session.user_id is None), ("other_product", session.product_key != PRODUCT))
        return next((reason for reason, refused in refusals if refused), None)
    rules = Rules(policy.currencies, policy.require_known_session, policy.livemode)
    return session_ownership.why_not_ours(session, session.user_id, _record(recorded), rules)


def is_somebodys_money(session: CheckoutSession, recorded: RecordedSession | None) -> bool:
    """Whether a person has to look at a paid session that may not grant: it names a user, or we made it.

    A session of another product is none of our business.
    """
    named = session.user_id is not None or recorded is not None
    paid = session.payment_status == "paid" and session.paid_at is not None
    return (
        paid and named and not session_ownership.is_somebody_elses(session.product_key, recorded=recorded is not None)
    )


def _record(recorded: RecordedSession | None) -> Record | None:
    if recorded is None:
        return None
    return Record(recorded.user_id, frozenset({(recorded.amount, recorded.currency), *recorded.offers}))


def is_free(session: CheckoutSession) -> bool:
    """A coupon took the whole price off."""
    return session.paid_at is not None and session.payment_status == "no_payment_required"


def pays(session: CheckoutSession, policy: Policy) -> bool:
    """A paid session grants; a free one (100 % coupon) when the operator said so; an unpaid one never."""
    if is_free(session):
        return policy.grant_free_checkouts
    return session.paid_at is not None and session.payment_status == "paid"


@dataclass(frozen=True, slots=True)
class Condition:
    """A payment at one moment: the amount given back (minor units), its disputes, an operator's last word."""

    amount_refunded: int
    dispute_statuses: Collection[str]
    revoked_by_operator: bool


def why_revoked(amount: int, condition: Condition, policy: Policy) -> RevokedBecause | None:
    """Why a payment of ``amount`` that was paid doesn't grant; None when it grants.

    A full refund revokes, a partial one keeps. A lost dispute revokes, a won one keeps unless fully refunded;
    inquiries (``warning_*``) and open disputes keep, the last unless the operator suspends on dispute.
    """
    statuses = set(condition.dispute_statuses)
    if 0 < amount <= condition.amount_refunded:
        return "refunded"
    if "lost" in statuses:
        return "chargeback_lost"
    if condition.revoked_by_operator:
        return "revoked_by_operator"
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
        case PaymentAdjustment(action=action):
            return int(action == "revoke_payment")  # of one instant the revoke holds
        case _:
            return 0
