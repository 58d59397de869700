"""Make an attempt's session at Stripe: exactly one, even when calls fail and are repeated (one key per attempt)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atlas_contracts.billing import RecordedSession
from atlas_kit.messaging.events import now
from atlas_stripe.failure import StripeFailure
from atlas_stripe.objects import Read, Unmappable, amount, currency, moment, text
from checkout.adapters import attempts
from checkout.adapters.attempts import Attempt, AttemptState
from checkout.adapters.customers import forget_customer
from checkout.adapters.publishing import outbox_messages
from checkout.domain.own_facts import purchase_initiated
from checkout.use_cases.sale import Checkout, expire


class AttemptSpent(Exception):
    """The attempt is closed without a session; a new one may succeed.

    Stripe would repeat its error for this idempotency key, or the customer was deleted.
    """

    def __init__(self, failure: StripeFailure) -> None:
        super().__init__()
        self.failure = failure


async def make_session(checkout: Checkout, attempt: Attempt) -> Read | None:
    """Make the attempt's session, or find the one that was made; None when another replica went on with it.

    Raises AttemptSpent.
    """
    try:
        session = await checkout.stripe.create_session(attempt.parameters, attempt.idempotency_key)
    except StripeFailure as failure:
        if not failure.is_final:
            raise
        made = await _made_after_all(checkout, attempt, failure)
        if made is None:
            await attempts.move(checkout.database, attempt, AttemptState.FAILED)
            if failure.names_missing("customer"):
                await forget_customer(checkout.database, attempt.user_id, attempt.customer_id)
            raise AttemptSpent(failure) from None
        session = made
    return session if await _record(checkout, attempt, session) else None


async def _made_after_all(checkout: Checkout, attempt: Attempt, failure: StripeFailure) -> Read | None:
    """The session, if Stripe made it although it answered with an error (which it repeats for a key for a day)."""
    if failure.names_missing("customer"):
        return None
    async for session in checkout.stripe.sessions(customer=attempt.customer_id, status="open"):
        if (session.body.get("metadata") or {}).get("attemptId") == str(attempt.id):
            return session
    return None


async def _record(checkout: Checkout, attempt: Attempt, session: Read) -> bool:
    """Store the session, and publish the recorded session with which its payment will be compared."""
    body = session.body
    recorded = RecordedSession(
        id=text(body, "id"),
        amount=amount(body, "amount_total" if body.get("amount_subtotal") is None else "amount_subtotal"),
        currency=_currency(body),
        offers=attempt.offers or (),
        price_id=attempt.price_id,
        source=attempt.source,
    )
    fact = purchase_initiated(attempt.user_id, attempt.customer_id, recorded, moment(body, "created"), now())
    first = await attempts.record_session(
        checkout.database, attempt, recorded.id, recorded.amount, recorded.currency, outbox_messages([fact])
    )
    if first:
        return True
    # Another replica recorded the same session, or gave the attempt up. In the second case this one must not be paid.
    if await attempts.owner_of_session(checkout.database, recorded.id) is None:
        await expire(checkout, recorded.id)
    return False


def _currency(body: Mapping[str, Any]) -> str:
    found = currency(body)
    if found is None:
        raise Unmappable("malformed_object", "A session must have a currency.")
    return found
