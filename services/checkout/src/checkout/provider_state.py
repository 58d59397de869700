"""The provider's final state, payment by payment, for an audit: computed from Stripe alone, without our ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from atlas_contracts.billing import PRODUCT_PRO, Via
from atlas_contracts.internal_api import ProviderPayment
from atlas_contracts.stripe_objects import StripeObject, reference
from atlas_kit.database import Database
from atlas_kit.events import now
from checkout.payment_reading import Payment, read_payment
from checkout.standing import Standing, amount_refunded, charge_of
from checkout.user_payments import UserPaymentSource, payments_of_user

EVER_PAID = frozenset({Standing.PAID, Standing.DISPUTED, Standing.REFUNDED, Standing.LOST})


@dataclass(frozen=True, slots=True)
class ProviderPolicy:
    """What the verdict on a payment depends on besides the payment (CONTRACT 5)."""

    livemode: bool
    grant_free_checkouts: bool
    suspend_on_dispute: bool


async def provider_state(
    database: Database, stripe: UserPaymentSource, policy: ProviderPolicy, *, days: int, user_id: str | None
) -> AsyncIterator[ProviderPayment]:
    """Every complete session of ours: of one user, or of all users in the last ``days``. Raises StripeFailure."""
    if user_id is not None:
        for payment in await payments_of_user(database, stripe, user_id, Via.OPERATOR):
            if _is_ours(payment.session, policy):
                yield _line(payment, policy)
        return
    since = int((now() - timedelta(days=days)).timestamp())
    filters: dict[str, Any] = {"status": "complete", "created": {"gte": since}}
    async for session in stripe.sessions(**filters):
        if _is_ours(session.body, policy):
            payment_or_none = await read_payment(stripe, session, Via.OPERATOR, thorough=False)
            if payment_or_none:
                yield _line(payment_or_none, policy)


def _is_ours(session: StripeObject, policy: ProviderPolicy) -> bool:
    metadata = session.get("metadata") or {}
    return bool(
        session.get("mode") == "payment"
        and session.get("payment_link") is None
        and session.get("livemode") is policy.livemode
        and metadata.get("userId")
        and metadata.get("productKey") == PRODUCT_PRO
    )


def _line(payment: Payment, policy: ProviderPolicy) -> ProviderPayment:
    session, standing = payment.session, payment.standing
    charge = charge_of(session)
    facts = next((fact.checkout_session for fact in payment.facts if fact.checkout_session), None)
    statuses = [str(dispute.get("status")) for dispute in payment.disputes]
    return ProviderPayment(
        user_id=session["metadata"]["userId"],
        checkout_session_id=payment.session_id,
        payment_intent_id=reference(session, "payment_intent"),
        paid=standing in EVER_PAID,
        amount=session.get("amount_total"),
        amount_refunded=amount_refunded(charge, payment.refunds) if charge else 0,
        currency=session.get("currency"),
        dispute_status="lost" if "lost" in statuses else next(iter(statuses), None),
        completed_at=facts.completed_at if facts else None,
        should_grant=_should_grant(standing, policy),
        because=standing.value,
    )


def _should_grant(standing: Standing, policy: ProviderPolicy) -> bool:
    match standing:
        case Standing.PAID:
            return True
        case Standing.DISPUTED:
            return not policy.suspend_on_dispute
        case Standing.FREE:
            return policy.grant_free_checkouts
        case _:
            return False
