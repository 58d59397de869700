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
"""Refund statuses, low to high: of two that are reported for the same second, the higher one counts."""

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
"""Dispute statuses, low to high: of two that are reported for the same second, the higher one counts."""

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
    """Accepted currencies of sessions that the checkout service did not record."""
    livemode: bool | None = None
    """True or False: only sessions of that mode are ours. None: webhook-ingest has already refused the others."""


def why_not_ours(
    session: CheckoutSession, recorded: RecordedSession | None, provider: str, policy: Policy
) -> str | None:
    """Why a session may not grant, even if it is paid; None when it may.

    For Stripe's sessions this is the rule that the checkout service's audit uses too (``atlas_stripe``).
    """
    if provider != "stripe":
        refusals = (("no_user_in_metadata", session.user_id is None), ("other_product", session.product_key != PRODUCT))
        return next((reason for reason, refused in refusals if refused), None)
    rules = Rules(policy.currencies, policy.require_known_session, policy.livemode)
    return session_ownership.why_not_ours(session, session.user_id, _record(recorded), rules)


def is_somebodys_money(session: CheckoutSession, recorded: RecordedSession | None) -> bool:
    """Whether a person has to review a paid session that may not grant: it names a user, or we made it.

    A session of another product, which we did not make, needs no review.
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
    """Whether the session was completed without a payment, because a coupon covered the whole price."""
    return session.paid_at is not None and session.payment_status == "no_payment_required"


def pays(session: CheckoutSession, policy: Policy) -> bool:
    """A paid session grants; a free one (100 % coupon) when the operator said so; an unpaid one never."""
    if is_free(session):
        return policy.grant_free_checkouts
    return session.paid_at is not None and session.payment_status == "paid"


@dataclass(frozen=True, slots=True)
class Condition:
    """The state of a payment at one moment: the amount given back (minor units), the statuses of its disputes, and
    whether an operator's last decision was to revoke it.
    """

    amount_refunded: int
    dispute_statuses: Collection[str]
    revoked_by_operator: bool


def why_revoked(amount: int, condition: Condition, policy: Policy) -> RevokedBecause | None:
    """Why a paid payment of ``amount`` (minor units) doesn't grant; None when it grants.

    A full refund revokes, a partial one doesn't. A lost dispute revokes; a won one doesn't. An inquiry (``warning_*``)
    never revokes. An open dispute revokes only where the policy says ``suspend_on_dispute``.
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
    """Whether we know the object's status. One that Stripe adds later is recorded and shown, and changes nothing."""
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
    """Order of snapshots of one object that are reported for the same second; the highest counts."""
    match snapshot:
        case Refund(status=status):
            return REFUND_RANK[status]
        case Dispute(status=status):
            return DISPUTE_RANK[status]
        case Charge(amount_refunded=refunded):
            return refunded
        case PaymentAdjustment(action=action):
            return int(action == "revoke_payment")  # at the same instant, revoke counts and undo does not
        case _:
            return 0
