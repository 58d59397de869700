"""List every payment's final state at Stripe, for an audit that compares it with our ledger, which isn't asked here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from atlas_contracts.billing import Via
from atlas_contracts.internal_api import ProviderPayment
from atlas_kit.messaging.events import now
from atlas_kit.storage.database import Database
from atlas_stripe.objects import reference
from atlas_stripe.session_ownership import Rules, is_somebody_elses, why_not_ours
from checkout.adapters import attempts
from checkout.domain.payment_outcome import HOLDS_MONEY, PaymentOutcome, amount_refunded, charge_of
from checkout.ports import PaymentReads
from checkout.use_cases.find_payments import find_payments
from checkout.use_cases.owner_of_session import named_in
from checkout.use_cases.read_payment import PaymentAtStripe, read_payment

EVER_PAID = frozenset({PaymentOutcome.PAID, PaymentOutcome.DISPUTED, PaymentOutcome.REFUNDED, PaymentOutcome.LOST})


@dataclass(frozen=True, slots=True)
class ProviderPolicy:
    """What the verdict on a payment depends on besides the payment (CONTRACT 5)."""

    ownership: Rules
    grant_free_checkouts: bool
    suspend_on_dispute: bool


async def list_provider_state(
    database: Database,
    stripe: PaymentReads,
    policy: ProviderPolicy,
    *,
    days: int,
    user_id: str | None,
    session_ids: Sequence[str] = (),
) -> AsyncIterator[ProviderPayment]:
    """Every complete session with a user: of all users in the last ``days``, or of one user.

    ``session_ids``: of that user, sessions to read beside those that customer and record lead to. Raises StripeFailure.
    """
    if user_id is not None:
        for payment in await find_payments(database, stripe, user_id, Via.OPERATOR, session_ids):
            if line := await _line(database, payment, policy):
                yield line
        return
    since = int((now() - timedelta(days=days)).timestamp())
    filters: dict[str, Any] = {"status": "complete", "created": {"gte": since}}
    async for session in stripe.sessions(**filters):
        if named_in(session.body) or await attempts.owner_of_session(database, session.id):
            payment = await read_payment(stripe, session, Via.OPERATOR, thorough=False)
            if line := await _line(database, payment, policy):
                yield line


async def _line(database: Database, payment: PaymentAtStripe, policy: ProviderPolicy) -> ProviderPayment | None:
    """The payment as audit compares it; None for one without a user, or of another product."""
    session, outcome = payment.session, payment.outcome
    record = await attempts.record_of_session(database, payment.session_id)
    user_id = record.user_id if record else named_in(session)
    product = (session.get("metadata") or {}).get("productKey")
    if user_id is None or is_somebody_elses(product, recorded=record is not None):
        return None
    facts = next((fact.checkout_session for fact in payment.facts if fact.checkout_session), None)
    # The user whom we recorded keeps the payment, whoever is written into its metadata afterwards.
    named = named_in(session) and user_id
    why = payment.unreadable or (facts and why_not_ours(facts, named, record, policy.ownership))
    refused = why if outcome in HOLDS_MONEY else None
    charge = charge_of(session)
    statuses = [str(dispute.get("status")) for dispute in payment.disputes]
    return ProviderPayment(
        user_id=user_id,
        checkout_session_id=payment.session_id,
        payment_intent_id=reference(session, "payment_intent"),
        paid=outcome in EVER_PAID,
        amount=session.get("amount_total"),
        amount_refunded=amount_refunded(charge, payment.refunds) if charge else 0,
        currency=session.get("currency"),
        dispute_status="lost" if "lost" in statuses else next(iter(statuses), None),
        completed_at=facts.completed_at if facts else None,
        should_grant=not why and _should_grant(outcome, policy),
        because=refused or outcome.value,
        refused=refused,
    )


def _should_grant(outcome: PaymentOutcome, policy: ProviderPolicy) -> bool:
    match outcome:
        case PaymentOutcome.PAID:
            return True
        case PaymentOutcome.DISPUTED:
            return not policy.suspend_on_dispute
        case PaymentOutcome.FREE:
            return policy.grant_free_checkouts
        case _:
            return False
