"""Confirm: the buyer is back from Checkout; read that one session again, so that no webhook has to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from atlas_contracts.billing import Via
from atlas_contracts.internal_api import EntitlementView
from atlas_contracts.public_api import ConfirmResult
from atlas_kit.database import Database
from atlas_kit.errors import NotFound
from atlas_kit.logs import get_logger
from checkout.attempts import owner_of_session
from checkout.payment_reading import Payment, PaymentSource, read_payment
from checkout.publishing import Publisher, publish_facts
from checkout.standing import HOLDS_MONEY, Standing
from checkout.stripe_failure import StripeFailure
from checkout.stripe_gateway import Read

log = get_logger()

MAY_BECOME_PRO = frozenset({Standing.PENDING, Standing.PAID, Standing.FREE, Standing.DISPUTED})
"""Until the facts are folded we don't know: an open dispute keeps Pro, unless BILLING_SUSPEND_ON_DISPUTE."""


class SessionNotFound(NotFound):
    """There is no such session, or it isn't the caller's: which of the two is nobody's business."""

    default_message = "Checkout session not found."


class ConfirmProvider(PaymentSource, Protocol):
    async def read_session(self, session_id: str) -> Read: ...


class EntitlementSource(Protocol):
    async def entitlement(self, user_id: str) -> EntitlementView: ...

    async def applied(self, user_id: str, event_ids: Sequence[str]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Confirm:
    """What confirming works with."""

    database: Database
    stripe: ConfirmProvider
    broker: Publisher
    entitlements: EntitlementSource


async def confirm(tools: Confirm, user_id: str, session_id: str) -> ConfirmResult:
    """What became of the caller's own session. Raises SessionNotFound, StripeFailure, Unavailable."""
    session = await _own_session(tools, user_id, session_id)
    result, payment = await _confirm(tools, user_id, session, thorough=False)
    if result.outcome == "not_paid" and payment.standing in HOLDS_MONEY:
        # The charge looks good and its buyer isn't Pro: a refund that bounced, perhaps, which no charge shows.
        result, _ = await _confirm(tools, user_id, session, thorough=True)
    log.info("billing.checkout.confirmed", userId=user_id, checkoutSessionId=session_id, outcome=result.outcome)
    return result


async def _confirm(tools: Confirm, user_id: str, session: Read, *, thorough: bool) -> tuple[ConfirmResult, Payment]:
    payment = await read_payment(tools.stripe, session, Via.CONFIRM, thorough=thorough)
    if payment is None:
        raise SessionNotFound
    event_ids = await publish_facts(tools.broker, payment.facts)
    applied = not event_ids or await tools.entitlements.applied(user_id, event_ids)
    entitlement = await tools.entitlements.entitlement(user_id)
    outcome = _outcome(entitlement, payment, applied=applied)
    return ConfirmResult(outcome=outcome, entitlement=entitlement.summary()), payment


async def _own_session(tools: Confirm, user_id: str, session_id: str) -> Read:
    owner = await owner_of_session(tools.database, session_id)
    if owner is not None and owner != user_id:
        raise SessionNotFound
    try:
        session = await tools.stripe.read_session(session_id)
    except StripeFailure as failure:
        if failure.is_missing:
            raise SessionNotFound from None
        raise
    if (session.body.get("metadata") or {}).get("userId") != user_id:
        raise SessionNotFound
    return session


def _outcome(
    entitlement: EntitlementView, payment: Payment, *, applied: bool
) -> Literal["active", "processing", "not_paid"]:
    if entitlement.is_pro:
        return "active"
    if payment.standing is Standing.PENDING or (payment.standing in MAY_BECOME_PRO and not applied):
        return "processing"
    return "not_paid"
