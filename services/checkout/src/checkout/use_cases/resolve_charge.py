"""Resolve a charge: ask Stripe which payment it belongs to, for a dispute or refund that named only its charge."""

from __future__ import annotations

from atlas_contracts.billing import Via
from atlas_contracts.internal_api import ChargeResolution
from atlas_kit.http.errors import NotFound
from atlas_stripe.failure import StripeFailure
from atlas_stripe.objects import Unmappable, could_be_id
from atlas_stripe.reads import charge_read
from checkout.adapters.publishing import publish_facts
from checkout.ports import PaymentReads, Publisher
from checkout.use_cases.read_payment import arrival_by


class ChargeNotFound(NotFound):
    """Stripe knows no such charge."""

    default_message = "Charge not found."


async def resolve_charge(stripe: PaymentReads, broker: Publisher, charge_id: str) -> ChargeResolution:
    """Read the charge once and publish it as a fact. Raises ChargeNotFound, StripeFailure, BrokerUnavailable."""
    if not could_be_id(charge_id):
        raise ChargeNotFound
    try:
        read = await stripe.read_charge(charge_id)
        fact = charge_read(read.body, read.observed_at, arrival_by(Via.PULL))
    except StripeFailure as failure:
        if failure.is_missing:
            raise ChargeNotFound from None
        raise
    except Unmappable:
        raise ChargeNotFound from None
    await publish_facts(broker, [fact])
    return ChargeResolution(event_id=fact.event_id, payment_intent_id=fact.refs.payment_intent_id)
