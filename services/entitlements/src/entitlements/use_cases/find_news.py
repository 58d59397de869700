"""Which facts say something that the ledger doesn't know: asked before what was read at Stripe again is published."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import nats.errors
import nats.js.errors

from atlas_contracts.billing import BillingData
from atlas_contracts.internal_api import NewsResult
from atlas_contracts.streams import BILLING, PROJECTOR_DURABLE
from atlas_contracts.user_id import FORGOTTEN
from atlas_kit.messaging.broker import Broker, BrokerUnavailable
from atlas_kit.messaging.events import now
from atlas_kit.storage.database import Connection
from entitlements.adapters import projection_store
from entitlements.adapters.ledger import known_keys
from entitlements.adapters.ledger_entry import entry_of
from entitlements.domain.facts import claimed_by
from entitlements.domain.news import is_news
from entitlements.domain.policy import Policy
from entitlements.domain.projection import Payment

CATCH_UP_SECONDS = 3.0
"""How long to wait until everything that the broker had when the question came is folded."""
LOOK_SECONDS = 0.05


async def find_news(connection: Connection, told: Sequence[BillingData], policy: Policy) -> NewsResult:
    """Those of ``told`` that say something new, each compared with the ledger as it is. Nothing is written.

    A webhook may tell the same in the meantime: telling a fact twice is harmless. Of a forgotten user's payment nothing
    may be told that would bring their id back.
    """
    entries = [entry_of(data) for data in told]
    facts = [entry.fact(0, now()) for entry in entries]
    known = await known_keys(connection, [entry.key for entry in entries])
    projection = await projection_store.load(connection, facts, policy)
    news, forgotten = [], []
    for entry, fact in zip(entries, facts, strict=True):
        same = projection.spoken_of(fact)
        if any(map(_is_forgotten, same)):
            forgotten.append(fact.event_id)
        elif entry.key not in known and is_news(fact, same, policy):
            news.append(fact.event_id)
    return NewsResult(news=news, forgotten=forgotten)


async def caught_up(broker: Broker) -> None:
    """Wait until what BILLING holds now is folded, at most for ``CATCH_UP_SECONDS``.

    Whoever published facts, was killed and asks again at once would be told that they are news still.
    """
    with suppress(BrokerUnavailable, nats.errors.Error, nats.js.errors.Error, TimeoutError):
        async with asyncio.timeout(CATCH_UP_SECONDS):
            last = (await broker.jetstream.stream_info(BILLING.name)).state.last_seq
            while await _folded_until(broker) < last:  # noqa: ASYNC110 - any replica may be folding it
                await asyncio.sleep(LOOK_SECONDS)


async def _folded_until(broker: Broker) -> int:
    info = await broker.jetstream.consumer_info(BILLING.name, PROJECTOR_DURABLE)
    return info.ack_floor.stream_seq if info.ack_floor else 0


def _is_forgotten(payment: Payment) -> bool:
    return any(user.startswith(FORGOTTEN) for user in claimed_by(payment.knowledge) | payment.users)
