"""Append a batch of events to the ledger, update the projection, and announce what changed, in one transaction.

Each event takes effect exactly once: the ledger's unique key decides which are new, and ledger, projection and outbox
are committed together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from atlas_contracts.entitlements import EntitlementData, EntitlementType
from atlas_contracts.streams import entitlement_subject
from atlas_kit.messaging.enqueued import Enqueued
from atlas_kit.messaging.events import encode, entitlement_event
from atlas_kit.messaging.outbox import OutboxMessage
from atlas_kit.process.context import Ids
from atlas_kit.storage.database import Connection
from atlas_kit.storage.together import Question, Work
from atlas_kit.tracing.messages import creating
from entitlements.adapters import ledger, projection_store
from entitlements.adapters.ledger_entry import LedgerEntry
from entitlements.adapters.told_again import contradicted
from entitlements.domain.facts import Fact
from entitlements.domain.policy import Policy
from entitlements.domain.projection import Change, Entitlement, Refused


@dataclass(frozen=True, slots=True)
class Folded:
    """What a batch did."""

    facts: list[Fact]
    changes: list[Change]
    refused: list[Refused] = field(default_factory=list)
    """Payments that need review since this batch."""
    contradicted: list[LedgerEntry] = field(default_factory=list)
    """Events whose id is in the ledger with other content; the first content counts."""
    enqueued: Enqueued | None = None
    """The announcements, to be handed over after the commit."""


async def fold(
    work: Work, entries: Sequence[LedgerEntry], policy: Policy, now: datetime, *, known: int | None = None
) -> Folded:
    """Append and fold ``entries`` in the caller's transaction; events that the ledger has already change nothing.
    ``known``: see ``HandedOver.known``.

    This waits for the server once, for the lock and the answers to append and load; a second time where a fact names a
    buyer who isn't the owner, or an event came again. What it writes goes out with the commit.
    """
    appending = ledger.append(entries, now)
    loading = projection_store.ask(list(appending.facts.values()))
    await work.ask(Question(ledger.LOCK), appending.asked, loading.asked)
    facts = appending.appended()
    changed = await _contradicted(work.connection, entries, facts)
    about_payments = [fact for fact in facts if fact.refs]
    if not about_payments:
        return Folded(facts, [], contradicted=changed)
    projection = await loading.projection(work.connection, policy)
    changes = [change for fact in about_payments for change in projection.apply(fact)]
    ids = ids_by_event(entries)
    requests = {event_id: told.request_id for event_id, told in ids.items()}
    announced = [announcement(change, ids.get(change.after.caused_by)) for change in changes]
    enqueued = await projection_store.save(work, projection, changes, requests, announced, known)
    return Folded(facts, changes, projection.refused, changed, enqueued)


async def _contradicted(
    connection: Connection, entries: Sequence[LedgerEntry], appended: Sequence[Fact]
) -> list[LedgerEntry]:
    """The entries that contradict the ledger; the query is skipped when every entry was new."""
    if len(appended) == len(entries):
        return []
    return await contradicted(connection, entries)


def ids_by_event(entries: Sequence[LedgerEntry]) -> dict[str | None, Ids]:
    """The request ids that came with each event, by event id; the first where an event is in the batch twice."""
    return {entry.data.event_id: entry.ids for entry in reversed(entries) if entry.ids}


def announcement(change: Change, ids: Ids | None = None) -> OutboxMessage:
    """The entitlement event of one change. Its message id names user, version and cause, so it is stored only once.

    ``ids``: the request of the fact that caused the change; None means the request being worked on now. The event gets
    a span of its own in that trace.
    """
    if ids:
        with creating(entitlement_subject(kind_of(change)), ids):
            return announcement(change)
    after = change.after
    assert after.updated_at
    event_type = kind_of(change)
    event = entitlement_event(data_of(after), event_type, after.updated_at)
    return OutboxMessage(event.id, entitlement_subject(event_type), encode(event).decode())


def data_of(row: Entitlement) -> EntitlementData:
    """What an entitlement event says of a row with a version."""
    assert row.caused_by
    verdict = row.verdict
    return EntitlementData(
        user_id=row.user_id,
        is_pro=verdict.is_pro,
        status=verdict.status,
        source=verdict.source,
        active_from=verdict.active_from,
        active_until=verdict.active_until,
        version=row.version,
        reason=row.reason,
        caused_by=row.caused_by,
    )


def kind_of(change: Change) -> EntitlementType:
    """Which event announces the change."""
    was, is_now = change.before.verdict.is_pro, change.after.verdict.is_pro
    if is_now and not was:
        return EntitlementType.GRANTED
    if not is_now and (was or change.before.verdict.status == "none"):
        return EntitlementType.REVOKED
    return EntitlementType.UPDATED
