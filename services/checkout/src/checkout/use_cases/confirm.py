"""Confirm a checkout: the buyer is back from Stripe's page; read that one session, without waiting for a webhook."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_contracts.billing import Via
from atlas_contracts.internal_api import EntitlementView
from atlas_contracts.public_api import ConfirmResult
from atlas_kit.http.errors import NotFound
from atlas_kit.process.logs import get_logger
from atlas_stripe.failure import StripeFailure
from atlas_stripe.objects import Read
from checkout.adapters.attempts import owner_of_session
from checkout.adapters.publishing import publish_facts
from checkout.domain.payment_outcome import HOLDS_MONEY, PaymentOutcome
from checkout.use_cases.owner_of_session import named_in
from checkout.use_cases.purchases import Purchases
from checkout.use_cases.read_payment import PaymentAtStripe, read_payment
from checkout.use_cases.why_not_pro import WhyNotPro, why_not_pro

log = get_logger()

MAY_BECOME_PRO = frozenset({PaymentOutcome.PENDING, PaymentOutcome.PAID, PaymentOutcome.FREE, PaymentOutcome.DISPUTED})
"""Outcomes that may make the buyer Pro once the facts are folded. DISPUTED does unless BILLING_SUSPEND_ON_DISPUTE."""


class SessionNotFound(NotFound):
    """There is no such session, or it is another user's: the answer doesn't tell which."""

    default_message = "Checkout session not found."


@dataclass(frozen=True, slots=True)
class Owned:
    """A session of the caller."""

    session: Read
    recorded: bool
    """Whether this service made it."""


async def confirm(tools: Purchases, user_id: str, session_id: str) -> ConfirmResult:
    """What became of the caller's own session. Raises SessionNotFound, StripeFailure, Unavailable."""
    owned = await _own_session(tools, user_id, session_id)
    result, payment = await _confirm(tools, user_id, owned, thorough=False)
    if result.outcome == "not_paid" and payment.outcome in HOLDS_MONEY and result.reason != "revoked_by_operator":
        # Stripe has the money and the buyer isn't Pro: perhaps because of a failed refund, which a charge doesn't show.
        result, _ = await _confirm(tools, user_id, owned, thorough=True)
    log.info(
        "billing.checkout.confirmed",
        userId=user_id,
        checkoutSessionId=session_id,
        outcome=result.outcome,
        reason=result.reason,
    )
    return result


async def _confirm(
    tools: Purchases, user_id: str, owned: Owned, *, thorough: bool
) -> tuple[ConfirmResult, PaymentAtStripe]:
    payment = await read_payment(tools.stripe, owned.session, Via.CONFIRM, thorough=thorough)
    if payment.unreadable and payment.outcome not in HOLDS_MONEY:
        raise SessionNotFound
    event_ids = await publish_facts(tools.broker, payment.facts)
    applied = not event_ids or await tools.entitlements.applied(user_id, event_ids)
    entitlement = await tools.entitlements.entitlement(user_id)
    if entitlement.is_pro:
        return ConfirmResult(outcome="active", entitlement=entitlement.summary()), payment
    if payment.outcome in MAY_BECOME_PRO and not applied:
        return ConfirmResult(outcome="processing", entitlement=entitlement.summary()), payment
    verdicts = await tools.entitlements.verdicts(user_id, [payment.session_id])
    why = why_not_pro(payment, verdicts.get(payment.session_id), recorded=owned.recorded)
    return _not_active(entitlement, payment, why), payment


async def _own_session(tools: Purchases, user_id: str, session_id: str) -> Owned:
    owner = await owner_of_session(tools.database, session_id)
    if owner is not None and owner != user_id:
        raise SessionNotFound
    try:
        session = await tools.stripe.read_session(session_id)
    except StripeFailure as failure:
        if failure.is_missing:
            raise SessionNotFound from None
        raise
    if owner is None and named_in(session.body) != user_id:
        raise SessionNotFound
    return Owned(session, recorded=owner is not None)


def _not_active(entitlement: EntitlementView, payment: PaymentAtStripe, why: WhyNotPro | None) -> ConfirmResult:
    """The answer once the facts are folded and the buyer isn't Pro. Raises SessionNotFound.

    ``not_paid`` without a reason means that no money came; pages say so to the buyer.
    """
    summary = entitlement.summary()
    match why:
        case None if payment.unreadable:
            raise SessionNotFound
        case None if payment.outcome in HOLDS_MONEY:
            # Another fact was folded between our two calls, or the payment is for another product.
            return ConfirmResult(outcome="processing", entitlement=summary)
        case None:
            return ConfirmResult(outcome="not_paid", entitlement=summary)
        case "payment_pending":
            return ConfirmResult(outcome="processing", entitlement=summary)
        case "needs_review":
            return ConfirmResult(outcome="needs_review", entitlement=summary)
        case _:
            return ConfirmResult(outcome="not_paid", reason=why, entitlement=summary)
