"""Open a hosted Checkout page for a user: one open session, whatever the concurrency, and never a second sale.

A loop over the user's one live attempt. Each round either gives its session, ends it, or says why nothing is sold;
what a round leaves behind is always something that the next round, request or replica can continue from.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from atlas_contracts.billing import RecordedSession, Via
from atlas_contracts.internal_api import CheckoutSessionResult, EntitlementView
from atlas_contracts.public_api import Recovery
from atlas_contracts.stripe_objects import Unmappable, amount, currency, moment, text
from atlas_kit.database import Database
from atlas_kit.errors import InvalidRequest, Unavailable
from atlas_kit.events import now
from atlas_kit.logs import get_logger
from checkout import attempts
from checkout.attempts import Attempt, State
from checkout.customers import CustomerProvider, customer_of, forget_customer
from checkout.own_facts import purchase_initiated
from checkout.payment_reading import Payment, PaymentSource, read_payment
from checkout.publishing import Publisher, outbox_messages, publish_facts
from checkout.session_parameters import REUSE_MARGIN, SESSION_LIFE, known_source, session_parameters
from checkout.standing import HOLDS_MONEY, Standing
from checkout.stripe_failure import StripeFailure
from checkout.stripe_gateway import Read

log = get_logger()

MAX_ROUNDS = 6
"""Far more than the states that an attempt can go through; only other replicas' haste could use them up."""


class AlreadyPro(InvalidRequest):
    """The user paid already."""

    default_message = "Pro is already active."

    def __init__(self) -> None:
        super().__init__(recovery=Recovery.NONE)


class PaymentProcessing(InvalidRequest):
    """A delayed payment of the user is under way; it may still succeed."""

    default_message = "A payment is already being processed."

    def __init__(self) -> None:
        super().__init__(recovery=Recovery.NONE)


class CheckoutProvider(CustomerProvider, PaymentSource, Protocol):
    """What opening a checkout asks of Stripe."""

    async def create_session(self, parameters: Mapping[str, Any], idempotency_key: str) -> Read: ...

    async def read_session(self, session_id: str) -> Read: ...

    async def expire_session(self, session_id: str) -> Read: ...

    def sessions(self, **filters: Any) -> AsyncIterator[Read]: ...


class EntitlementSource(Protocol):
    """What is asked of the entitlements service."""

    async def entitlement(self, user_id: str) -> EntitlementView: ...

    async def applied(self, user_id: str, event_ids: list[str]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Checkout:
    """What opening a checkout works with."""

    database: Database
    stripe: CheckoutProvider
    broker: Publisher
    entitlements: EntitlementSource
    price_id: str
    origin: str


class AttemptSpent(Exception):
    """The attempt led nowhere and is closed: its key is spent, or its customer gone. A new one may work."""

    def __init__(self, failure: StripeFailure) -> None:
        super().__init__()
        self.failure = failure


async def open_checkout(checkout: Checkout, user_id: str, source: str | None) -> CheckoutSessionResult:
    """The user's one open session. Raises AlreadyPro or PaymentProcessing where nothing may be sold,
    StripeFailure or Unavailable where we don't know.
    """
    if (await checkout.entitlements.entitlement(user_id)).is_pro:
        raise AlreadyPro
    spent = False
    for _ in range(MAX_ROUNDS):
        attempt = await attempts.live_attempt(checkout.database, user_id)
        try:
            if attempt is None:
                await _begin(checkout, user_id, known_source(source))
            elif attempt.state is State.CREATING:
                session = await _create(checkout, attempt)
                if session and attempt.price_id == checkout.price_id:
                    return _opened(attempt, session, reused=False)
            else:
                session = await _reuse(checkout, attempt)
                if session:
                    return _opened(attempt, session, reused=True)
        except AttemptSpent as dead:
            if spent:
                raise dead.failure from None
            spent = True
    raise Unavailable


async def _begin(checkout: Checkout, user_id: str, source: str) -> None:
    """Commit what Stripe will be asked for before it is asked."""
    customer_id = await customer_of(checkout.database, checkout.stripe, user_id)
    attempt_id, expires_at = uuid.uuid4(), now() + SESSION_LIFE
    parameters = session_parameters(
        attempt_id=attempt_id,
        user_id=user_id,
        customer_id=customer_id,
        price_id=checkout.price_id,
        source=source,
        origin=checkout.origin,
        expires_at=expires_at,
    )
    await attempts.begin_attempt(
        checkout.database,
        Attempt(attempt_id, user_id, customer_id, checkout.price_id, source, State.CREATING, parameters, expires_at),
    )


async def _create(checkout: Checkout, attempt: Attempt) -> Read | None:
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
            await attempts.move(checkout.database, attempt, State.FAILED)
            if failure.names_missing("customer"):
                await forget_customer(checkout.database, attempt.user_id, attempt.customer_id)
            raise AttemptSpent(failure) from None
        session = made
    return session if await _record(checkout, attempt, session) else None


async def _made_after_all(checkout: Checkout, attempt: Attempt, failure: StripeFailure) -> Read | None:
    """The session, when Stripe made it and yet answered with an error (which its idempotency keeps for a day)."""
    if failure.names_missing("customer"):
        return None
    async for session in checkout.stripe.sessions(customer=attempt.customer_id, status="open"):
        if (session.body.get("metadata") or {}).get("attemptId") == str(attempt.id):
            return session
    return None


async def _record(checkout: Checkout, attempt: Attempt, session: Read) -> bool:
    """Remember the session and tell the ledger what a payment of it must look like."""
    body = session.body
    recorded = RecordedSession(
        id=text(body, "id"),
        amount=amount(body, "amount_total"),
        currency=_currency(body),
        price_id=attempt.price_id,
        source=attempt.source,
    )
    fact = purchase_initiated(attempt.user_id, attempt.customer_id, recorded, moment(body, "created"), now())
    first = await attempts.record_session(
        checkout.database, attempt, recorded.id, recorded.amount, recorded.currency, outbox_messages([fact])
    )
    if first:
        return True
    # Another replica recorded the same session, or gave the attempt up: in that case nobody may pay this one.
    if await attempts.owner_of_session(checkout.database, recorded.id) is None:
        await _expire(checkout, recorded.id)
    return False


async def _reuse(checkout: Checkout, attempt: Attempt) -> Read | None:
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
    elif await _expire(checkout, attempt.checkout_session_id):
        await attempts.move(checkout.database, attempt, State.EXPIRED)
    return None


async def _expire(checkout: Checkout, session_id: str) -> bool:
    """Close an open session. False when it was no longer open: paid, perhaps, so look again."""
    try:
        await checkout.stripe.expire_session(session_id)
    except StripeFailure as failure:
        if failure.status == 400:  # noqa: PLR2004 - Stripe's answer for a session that isn't open
            return False
        raise
    return True


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


def _opened(attempt: Attempt, session: Read, *, reused: bool) -> CheckoutSessionResult:
    log.info(
        "billing.checkout.initiated",
        userId=attempt.user_id,
        checkoutSessionId=session.id,
        source=attempt.source,
        reused=reused,
    )
    return CheckoutSessionResult(url=hosted_url(session), checkout_session_id=session.id, reused=reused)


def hosted_url(session: Read) -> str:
    """The hosted page (its address is long, and a bearer credential)."""
    url = session.body.get("url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise Unavailable
    return url


def _currency(body: Mapping[str, Any]) -> str:
    found = currency(body)
    if found is None:
        raise Unmappable("malformed_object", "A session must have a currency.")
    return found
