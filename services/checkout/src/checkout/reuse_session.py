"""An attempt that has a session already: is it still good, was it paid, or is it over?"""

from __future__ import annotations

from atlas_contracts.billing import Via
from atlas_contracts.stripe_objects import moment
from atlas_kit.errors import Unavailable
from atlas_kit.events import now
from checkout import attempts
from checkout.attempts import Attempt, State
from checkout.payment_reading import Payment, read_payment
from checkout.publishing import publish_facts
from checkout.sale import AlreadyPro, Checkout, PaymentProcessing, expire
from checkout.session_parameters import REUSE_MARGIN
from checkout.standing import HOLDS_MONEY, Standing
from checkout.stripe_failure import StripeFailure
from checkout.stripe_gateway import Read


async def reuse_session(checkout: Checkout, attempt: Attempt) -> Read | None:
    """The open session as Stripe sees it now; None when it is over and the attempt is closed."""
    assert attempt.checkout_session_id
    try:
        session = await checkout.stripe.read_session(attempt.checkout_session_id)
    except StripeFailure as failure:
        if not failure.is_missing:
            raise
        # It is another account's or mode's: nobody can pay it.
        await attempts.move(checkout.database, attempt, State.FAILED)
        return None
    if session.body.get("status") == "complete":
        await _settle(checkout, attempt, session)
    elif session.body.get("status") == "expired":
        await attempts.move(checkout.database, attempt, State.EXPIRED)
    elif attempt.price_id == checkout.price_id and moment(session.body, "expires_at") - now() > REUSE_MARGIN:
        return session
    elif await expire(checkout, attempt.checkout_session_id):
        await attempts.move(checkout.database, attempt, State.EXPIRED)
    return None


async def _settle(checkout: Checkout, attempt: Attempt, session: Read) -> None:
    """The attempt's session was completed: tell the facts, and sell again only where no money is held or coming.

    Raises AlreadyPro or PaymentProcessing; returns when the attempt is closed and another may begin.
    """
    payment = await read_payment(checkout.stripe, session, Via.CHECKOUT)
    if payment is None:
        raise Unavailable  # our own session in a shape we can't read: nothing is sold on a guess
    event_ids = await publish_facts(checkout.broker, payment.facts)
    if payment.standing is Standing.PENDING:
        await attempts.move(checkout.database, attempt, State.PENDING)
        raise PaymentProcessing
    await checkout.entitlements.applied(attempt.user_id, event_ids)
    await _refuse_if_paid(checkout, attempt, payment)
    await attempts.move(checkout.database, attempt, State.COMPLETE)


async def _refuse_if_paid(checkout: Checkout, attempt: Attempt, payment: Payment) -> None:
    entitlement = await checkout.entitlements.entitlement(attempt.user_id)
    if entitlement.is_pro or payment.standing is Standing.PAID:
        raise AlreadyPro
    if payment.standing in HOLDS_MONEY:
        raise PaymentProcessing  # suspended while the bank decides
