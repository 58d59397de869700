"""Takes events from the broker into the ledger: decode, fold in one transaction, commit, acknowledge.

A message that can never be processed is parked with its reason; one that may work later is tried again with growing
delays. One function, :func:`disposition`, decides which.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

import psycopg
from nats.aio.msg import Msg
from prometheus_client import Counter, Histogram
from pydantic import ValidationError

from atlas_contracts.billing import BillingType
from atlas_contracts.entitlements import EntitlementType
from atlas_contracts.parked import COPIED_EVENT
from atlas_contracts.streams import BILLING, PROJECTOR_DURABLE
from atlas_kit.http.errors import Unavailable
from atlas_kit.messaging.broker import Broker, told_ids
from atlas_kit.messaging.handed_over import HandedOver
from atlas_kit.messaging.listening import Durable, Listeners, follow_durable
from atlas_kit.process.logs import get_logger, line, logged_user
from atlas_kit.storage.database import Database
from atlas_kit.tracing.messages import settling
from entitlements.adapters.ledger_entry import LedgerEntry, ledger_entry
from entitlements.adapters.park_message import park
from entitlements.adapters.traced_batch import traced
from entitlements.domain.naming import payment_name
from entitlements.domain.policy import Policy
from entitlements.use_cases.fold import Folded, fold, ids_by_event, kind_of

log = get_logger()

FACTS_FOLDED = Counter("atlas_facts_folded_total", "Facts appended to the ledger.", ["type"])
ENTITLEMENTS_CHANGED = Counter("atlas_entitlements_changed_total", "Changes of users' entitlements.", ["change"])
FOLD_SECONDS = Histogram("atlas_fold_seconds", "One batch: ledger, projection, outbox, commit.")
PAYMENTS_REFUSED = Counter(
    "atlas_payments_refused_total", "Payments that Stripe calls paid and that may not grant.", ["reason"]
)
for _type in BillingType:
    FACTS_FOLDED.labels(_type.value)
for _change in EntitlementType:
    ENTITLEMENTS_CHANGED.labels(_change.value)
CHANGED_CONTENT = "changed_content"
_CHANGED = "The ledger has another event with this id. The first one counts; this one changed nothing."
SPACING_SECONDS = 0.020
"""Least time between the beginnings of two folds. At 200 events a second four share a transaction, its statements and
its sync, and none waits longer than this; docs/performance.md has what that saves.
"""
BUSY_SPACING_SECONDS = 0.050
"""The same from some 800 events a second on, when a fold of twenty would be followed by the next one 20 ms later."""
RETRY_DELAYS_SECONDS = (1, 2, 5, 15, 30, 60)
"""Pauses before the next try, by the number of deliveries so far; the last one repeats."""
TRIES_BEFORE_PARKING = 10
"""Deliveries (over about six minutes) after which a message is parked that fails with an unexpected error."""


COPY_HEADER = "Nats-Stream"
"""The header that the broker sets on a copy of a stored message. Whoever may read a stream directly (direct get) can
have such a copy sent to any subject, as if it had been published there."""


class CopiedError(Exception):
    """The message is a copy of a stored one, so no service that may publish facts has published it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after a pause."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Park:
    """Store the message on PARKED with its reason, and acknowledge it, so that it doesn't block the ones after it."""

    reason: str
    detail: str


def disposition(error: Exception, deliveries: int) -> Retry | Park:
    """What becomes of a message whose handling raised ``error`` on its ``deliveries``-th delivery."""
    match error:
        case CopiedError():
            return Park(COPIED_EVENT, "It is a copy of a stored message; no service has published it.")
        case ValidationError() | UnicodeDecodeError() | RecursionError():
            return Park("malformed_event", "It is not a billing event that this service can read.")
        case psycopg.DataError():
            return Park("unstorable_event", "The database can't hold one of its values.")
    if isinstance(error, Unavailable | psycopg.OperationalError) or deliveries < TRIES_BEFORE_PARKING:
        return Retry(RETRY_DELAYS_SECONDS[min(deliveries, len(RETRY_DELAYS_SECONDS)) - 1])
    return Park("failed_repeatedly", f"Handling it raised {type(error).__name__} {deliveries} times.")


class Projector:
    """The service's consumer of billing events. All replicas share one durable consumer at the broker."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        policy: Policy,
        clock: Callable[[], datetime],
        folded: asyncio.Condition,
        hand: HandedOver,
    ) -> None:
        self._database, self._broker, self._policy, self._clock = database, broker, policy, clock
        self._folded, self._hand = folded, hand
        self._listeners = Listeners(broker)
        durable = Durable(
            BILLING,
            PROJECTOR_DURABLE,
            spacing_seconds=SPACING_SECONDS,
            busy_spacing_seconds=BUSY_SPACING_SECONDS,
        )
        self._subscriber = follow_durable(self._listeners, durable, self.handle)

    async def run(self) -> None:
        """Listen until cancelled; then finish the current batch and return messages that were not begun."""
        await self._database.migrated.wait()
        async with self._listeners.listening():
            await asyncio.Event().wait()

    async def check(self) -> None:
        """Readiness: connected, and the durable consumer serves us. Raises BrokerUnavailable, RequestEnded or a nats
        error.
        """
        _ = self._broker.client
        await self._subscriber.check()

    async def handle(self, batch: list[Msg]) -> None:
        """Fold a batch in one transaction. If that fails, fold each message alone, so that a bad one can't stop the
        others.
        """
        readable: list[tuple[Msg, LedgerEntry]] = []
        for message in batch:
            try:
                entry = _entry(message)
            except Exception as error:  # noqa: BLE001 - disposition() decides about every kind
                await self._dispose(message, error)
            else:
                readable.append((message, entry))
                if entry.newer:
                    log.warning("billing.event.newer", eventId=entry.data.event_id, version=entry.data.schema_version)
        if not readable:
            return
        try:
            await self._fold_and_ack(readable)
        except Exception as error:  # noqa: BLE001 - disposition() decides about every kind
            if len(readable) == 1 or isinstance(error, Unavailable):
                for message, _ in readable:
                    await self._dispose(message, error)
                return
            log.warning("consumer.batch_failed", error=type(error).__name__, size=len(readable))
            for single in readable:
                await self._handle_alone(single)

    async def _handle_alone(self, single: tuple[Msg, LedgerEntry]) -> None:
        try:
            await self._fold_and_ack([single])
        except Exception as error:  # noqa: BLE001 - disposition() decides about every kind
            await self._dispose(single[0], error)

    async def _fold_and_ack(self, readable: list[tuple[Msg, LedgerEntry]]) -> None:
        with traced(readable) as told:
            await self._fold(told)

    async def _fold(self, readable: list[tuple[Msg, LedgerEntry]]) -> None:
        started = perf_counter()
        entries = [entry for _, entry in readable]
        async with self._database.together() as work:
            folded = await fold(work, entries, self._policy, self._clock(), known=self._hand.known)
        if folded.enqueued:
            folded.enqueued.hand_to(self._hand)
        for message, entry in readable:
            if any(entry is other for other in folded.contradicted):
                await park(self._broker, message, CHANGED_CONTENT, _CHANGED, self._clock())
            await message.ack()
        self._report(folded, entries, perf_counter() - started)
        async with self._folded:
            self._folded.notify_all()

    def _report(self, folded: Folded, entries: list[LedgerEntry], seconds: float) -> None:
        FOLD_SECONDS.observe(seconds)
        ids = ids_by_event(entries)
        for fact in folded.facts:
            FACTS_FOLDED.labels(fact.type).inc()
        for change in folded.changes:
            after = change.after
            ENTITLEMENTS_CHANGED.labels(kind_of(change).value).inc()
            line(
                "billing.projection.applied",
                ids[after.caused_by],
                eventId=after.caused_by,
                user=logged_user(after.user_id),
                status=after.verdict.status,
                version=after.version,
            )
        for refused in folded.refused:
            PAYMENTS_REFUSED.labels(refused.review.reason).inc()
            log.warning(
                "billing.payment.refused",
                **ids[refused.fact.event_id].logged(),
                eventId=refused.fact.event_id,
                paymentId=payment_name(refused.payment.refs),
                userIds=list(refused.review.users),
                reason=refused.review.reason,
            )
        log.debug("consumer.batch", messages=len(entries), facts=len(folded.facts), ms=round(seconds * 1000, 2))

    async def _dispose(self, message: Msg, error: Exception) -> None:
        deliveries = message.metadata.num_delivered or 1
        ids = told_ids(message.headers or {})
        with settling(message.subject, ids):
            match disposition(error, deliveries):
                case Retry(seconds):
                    log.warning("consumer.retry", error=type(error).__name__, seconds=seconds, deliveries=deliveries)
                    await message.nak(delay=seconds)
                case Park(reason, detail):
                    await park(self._broker, message, reason, detail, self._clock())
                    await message.ack()


def _entry(message: Msg) -> LedgerEntry:
    """The ledger entry for a message. Raises CopiedError, or what :func:`ledger_entry` raises."""
    if COPY_HEADER in (message.headers or {}):
        raise CopiedError
    return ledger_entry(message.data, message.headers)
