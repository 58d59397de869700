"""Publishing facts to the BILLING stream: directly, or through the outbox with what caused them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from atlas_contracts.billing import BillingData
from atlas_contracts.internal_api import CHECKOUT_SERVICE
from atlas_contracts.streams import BILLING, billing_subject
from atlas_kit.messaging.events import billing_event, encode, event_type_of
from atlas_kit.messaging.outbox import OutboxMessage
from atlas_kit.process.concurrently import all_of
from atlas_kit.tracing.messages import publishing
from checkout.ports import Publisher

AT_ONCE = 64
"""Facts published at the same time; a restore may have hundreds."""


async def publish_facts(broker: Publisher, facts: Sequence[BillingData]) -> list[str]:
    """Store the facts durably and return their event ids. Raises BrokerUnavailable; repeating it is harmless."""
    waiting = iter(facts)
    while batch := list(itertools.islice(waiting, AT_ONCE)):
        await all_of(_publish(broker, data) for data in batch)
    return [data.event_id for data in facts]


async def _publish(broker: Publisher, data: BillingData) -> None:
    with publishing():
        event = encode(billing_event(data, CHECKOUT_SERVICE))
        await broker.publish(_subject(data), event, data.event_id, stream=BILLING)


def outbox_messages(facts: Iterable[BillingData]) -> list[OutboxMessage]:
    """The same events as outbox rows, to be committed in the transaction that causes them."""
    return [
        OutboxMessage(data.event_id, _subject(data), encode(billing_event(data, CHECKOUT_SERVICE)).decode())
        for data in facts
    ]


def _subject(data: BillingData) -> str:
    return billing_subject(event_type_of(data.event_id))
