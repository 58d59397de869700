"""Open a hosted Checkout page for a user: one open session however many requests come at once, and never a second sale.

A loop over the user's one live attempt. Each round returns the attempt's session, closes the attempt, or raises why
nothing is sold. Every step is committed before the next, so another round, request or replica can continue from it.
"""

from __future__ import annotations

import uuid

from prometheus_client import Counter

from atlas_contracts.billing import Offer
from atlas_contracts.internal_api import CheckoutSessionResult
from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging.events import now
from atlas_kit.process.logs import get_logger
from atlas_stripe.objects import Read
from checkout.adapters import attempts
from checkout.adapters.attempts import Attempt, AttemptState
from checkout.adapters.customers import customer_of
from checkout.domain.offers import offers_of
from checkout.domain.session_parameters import SESSION_LIFE, known_source, session_parameters
from checkout.use_cases.make_session import AttemptSpent, make_session
from checkout.use_cases.reuse_session import reuse_session, same_terms
from checkout.use_cases.sale import AlreadyPro, Checkout, PaymentNeedsReview

log = get_logger()

OPENED = Counter("atlas_checkout_sessions_opened_total", "Sessions given to buyers.", ["reused"])

MAX_ROUNDS = 6
"""Rounds. More than an attempt has states, so they only run out if other replicas keep changing the attempt."""


async def open_checkout(checkout: Checkout, user_id: str, source: str | None) -> CheckoutSessionResult:
    """The user's one open session. Raises AlreadyPro, PaymentProcessing or PaymentNeedsReview where nothing may be
    sold, StripeFailure, Unmappable or Unavailable where we don't know.
    """
    known = await checkout.entitlements.overview(user_id)
    if known.entitlement.is_pro:
        raise AlreadyPro
    if known.payment and known.payment.state == "needs_review":
        raise PaymentNeedsReview
    offers = offers_of((await checkout.stripe.read_price(checkout.price_id)).body)
    spent = begun = False
    for _ in range(MAX_ROUNDS):
        attempt = await attempts.live_attempt(checkout.database, user_id)
        try:
            if attempt is None:
                await _begin(checkout, user_id, known_source(source), offers)
                begun = True
            elif attempt.state is AttemptState.CREATING:
                session = await make_session(checkout, attempt)
                # To an attempt of an earlier request Stripe repeats its first answer: the next round reads anew.
                if session and begun and same_terms(checkout, attempt, offers):
                    return _opened(attempt, session, reused=False)
            else:
                session = await reuse_session(checkout, attempt, offers)
                if session:
                    return _opened(attempt, session, reused=True)
        except AttemptSpent as dead:
            if spent:
                raise dead.failure from None
            spent = True
    raise Unavailable


async def _begin(checkout: Checkout, user_id: str, source: str, offers: tuple[Offer, ...]) -> None:
    """Store the parameters before Stripe is called with them, so that every retry sends the same."""
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
        options=checkout.options,
    )
    attempt = Attempt(
        id=attempt_id,
        user_id=user_id,
        customer_id=customer_id,
        price_id=checkout.price_id,
        source=source,
        state=AttemptState.CREATING,
        parameters=parameters,
        expires_at=expires_at,
        offers=offers,
    )
    await attempts.begin_attempt(checkout.database, attempt)


def _opened(attempt: Attempt, session: Read, *, reused: bool) -> CheckoutSessionResult:
    log.info(
        "billing.checkout.initiated",
        userId=attempt.user_id,
        checkoutSessionId=session.id,
        source=attempt.source,
        reused=reused,
    )
    OPENED.labels(str(reused).lower()).inc()
    return CheckoutSessionResult(url=hosted_url(session), checkout_session_id=session.id, reused=reused)


def hosted_url(session: Read) -> str:
    """The address of the hosted page: whoever has it can pay, so it is never stored or logged. Raises Unavailable."""
    url = session.body.get("url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise Unavailable
    return url
