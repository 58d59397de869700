"""Reuse the session that an attempt already has, unless it was paid, has ended, or no longer sells on today's terms."""

from __future__ import annotations

from atlas_contracts.billing import Offer, Via
from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging.events import now
from atlas_stripe.failure import StripeFailure
from atlas_stripe.objects import Read, moment
from checkout.adapters import attempts
from checkout.adapters.attempts import Attempt, AttemptState
from checkout.adapters.customers import forget_customer, is_deleted
from checkout.adapters.publishing import publish_facts
from checkout.domain.payment_outcome import HOLDS_MONEY, PaymentOutcome
from checkout.domain.session_parameters import REUSE_MARGIN, options_in
from checkout.use_cases.read_payment import PaymentAtStripe, read_payment
from checkout.use_cases.sale import AlreadyPro, Checkout, PaymentNeedsReview, PaymentProcessing, expire
from checkout.use_cases.why_not_pro import why_not_pro


async def reuse_session(checkout: Checkout, attempt: Attempt, offers: tuple[Offer, ...]) -> Read | None:
    """The open session as Stripe sees it now; None when it is over and the attempt is closed."""
    assert attempt.checkout_session_id
    try:
        session = await checkout.stripe.read_session(attempt.checkout_session_id)
    except StripeFailure as failure:
        if not failure.is_missing:
            raise
        # Stripe has no such session here: it was made with another account's or mode's key, so nobody can pay it.
        await attempts.move(checkout.database, attempt, AttemptState.FAILED)
        return None
    if session.body.get("status") == "complete":
        await _settle(checkout, attempt, session)
    elif session.body.get("status") == "expired":
        await attempts.move(checkout.database, attempt, AttemptState.EXPIRED)
    elif is_deleted(session.body.get("customer")):
        await _abandon(checkout, attempt)
    elif same_terms(checkout, attempt, offers) and moment(session.body, "expires_at") - now() > REUSE_MARGIN:
        return session
    elif await expire(checkout, attempt.checkout_session_id):
        await attempts.move(checkout.database, attempt, AttemptState.EXPIRED)
    return None


def same_terms(checkout: Checkout, attempt: Attempt, offers: tuple[Offer, ...]) -> bool:
    """Whether a session made now would sell the same thing for the same money in the same way."""
    return (
        attempt.price_id == checkout.price_id
        and options_in(attempt.parameters) == checkout.options.parameters()
        # Older attempts offered only the price's main currency.
        and (set(attempt.offers) == set(offers) if attempt.offers is not None else len(offers) <= 1)
    )


async def _abandon(checkout: Checkout, attempt: Attempt) -> None:
    """End an open session whose customer was deleted, since nobody can pay it; the next attempt makes both anew."""
    assert attempt.checkout_session_id
    await forget_customer(checkout.database, attempt.user_id, attempt.customer_id)
    if not await expire(checkout, attempt.checkout_session_id):
        session = await checkout.stripe.read_session(attempt.checkout_session_id)
        if session.body.get("status") == "complete":  # paid just before its customer went
            return await _settle(checkout, attempt, session)
    await attempts.move(checkout.database, attempt, AttemptState.EXPIRED)
    return None


async def _settle(checkout: Checkout, attempt: Attempt, session: Read) -> None:
    """The attempt's session was completed: tell the facts, and sell again only where no money is held or coming.

    Raises AlreadyPro, PaymentProcessing or PaymentNeedsReview; returns when the attempt is closed: another may begin.
    """
    payment = await read_payment(checkout.stripe, session, Via.CHECKOUT)
    if payment.unreadable and payment.outcome not in HOLDS_MONEY:
        raise Unavailable  # whether our own session was paid can't be read: selling again might charge twice
    event_ids = await publish_facts(checkout.broker, payment.facts)
    if payment.outcome is PaymentOutcome.PENDING:
        await attempts.move(checkout.database, attempt, AttemptState.PENDING)
        raise PaymentProcessing
    applied = await checkout.entitlements.applied(attempt.user_id, event_ids)
    if (await checkout.entitlements.entitlement(attempt.user_id)).is_pro:
        raise AlreadyPro
    if payment.outcome in HOLDS_MONEY:
        await _refuse_unless_ended(checkout, attempt, payment, applied=applied)
    await attempts.move(checkout.database, attempt, AttemptState.COMPLETE)


async def _refuse_unless_ended(
    checkout: Checkout, attempt: Attempt, payment: PaymentAtStripe, *, applied: bool
) -> None:
    """Stripe has the money and the buyer isn't Pro: sell again only if that payment was revoked, refunded or lost."""
    verdicts = await checkout.entitlements.verdicts(attempt.user_id, [payment.session_id]) if applied else {}
    why = why_not_pro(payment, verdicts.get(payment.session_id), recorded=True) if applied else None
    if why == "needs_review":
        raise PaymentNeedsReview
    if why in ("revoked_by_operator", "refunded", "chargeback_lost"):
        return
    if payment.outcome is PaymentOutcome.PAID:
        raise AlreadyPro
    raise PaymentProcessing  # suspended while the bank decides
