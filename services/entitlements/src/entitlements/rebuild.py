"""Folding the whole ledger again, beside the live projection, and comparing.

One snapshot of the database holds ledger and projection as of the same commit, so verifying needs no lock and the
live service goes on. To repair, the fold's lock is taken, what came meanwhile is folded too, and only rows that differ
are written; a verdict that turns out different is announced like any change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

from psycopg import AsyncConnection, IsolationLevel

from atlas_kit.database import Connection
from atlas_kit.outbox import enqueue
from entitlements import ledger, projection_store, reading
from entitlements.domain.policy import Policy
from entitlements.domain.projection import Change, Entitlement, Payment, Projection
from entitlements.domain.verdict import Verdict
from entitlements.fold import announcement
from entitlements.knowledge_json import knowledge_rows

PROGRESS_EVERY = 5_000
READ_CHUNK = 2_000

Progress = Callable[[int, int], None]
"""Called with facts folded so far and facts in all."""


@dataclass(slots=True)
class Differences:
    """What the fresh projection has otherwise than the live one."""

    facts: int = 0
    users: list[str] = field(default_factory=list)
    payments: list[int] = field(default_factory=list)
    """Ids of payments whose knowledge, owner or names differ, or that only one side has."""

    @property
    def count(self) -> int:
        return len(self.users) + len(self.payments)


async def verify(dsn: str, policy: Policy, progress: Progress) -> tuple[Projection, Differences, int]:
    """A fresh projection, how it differs from the live one, and the last ledger sequence it has seen."""
    async with await AsyncConnection.connect(dsn) as connection:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        fresh, last_seq = await _fold_everything(connection, policy, progress)
        differences = await _compare(connection, fresh)
        return fresh, differences, last_seq


async def rebuild(dsn: str, policy: Policy, progress: Progress) -> Differences:
    """Verify, put right what differs, and note that this is our reading. Returns what was put right."""
    fresh, differences, last_seq = await verify(dsn, policy, progress)
    async with await AsyncConnection.connect(dsn) as connection:
        if differences.count:
            await ledger.lock_fold(connection)
            fresh.payment_of_fact.clear()
            touched: set[str] = set()
            async for fact in ledger.read_facts(connection, after_seq=last_seq):
                touched.update(change.after.user_id for change in fresh.apply(fact))
                last_seq = fact.seq
            await _write(connection, fresh, differences, touched)
        await reading.mark(connection, last_seq)
    return differences


async def _fold_everything(connection: Connection, policy: Policy, progress: Progress) -> tuple[Projection, int]:
    cursor = await connection.execute("SELECT count(*) FROM ledger")
    row = await cursor.fetchone()
    total = int(row[0]) if row else 0
    fresh, done, last_seq = Projection(policy), 0, 0
    async for fact in ledger.read_facts(connection):
        fresh.apply(fact)
        done, last_seq = done + 1, fact.seq
        if done % PROGRESS_EVERY == 0:
            progress(done, total)
    progress(done, total)
    return fresh, last_seq


async def _compare(connection: Connection, fresh: Projection) -> Differences:
    differences = Differences(facts=len(fresh.payment_of_fact))
    unseen = set(fresh.payments)
    async with connection.cursor("live_payments") as cursor:
        await cursor.execute(
            "SELECT id, provider, user_id, knowledge,"
            ' (SELECT array_agg(ref ORDER BY ref COLLATE "C") FROM payment_refs r WHERE r.payment_id = p.id)'
            " FROM payments p"
        )
        while rows := await cursor.fetchmany(READ_CHUNK):
            for payment_id, *live in rows:
                unseen.discard(payment_id)
                if live != _columns(fresh.payments.get(payment_id)):
                    differences.payments.append(payment_id)
    differences.payments.extend(sorted(unseen))
    expected = {user_id: row.verdict for user_id, row in fresh.entitlements.items()}
    async with connection.cursor("live_entitlements") as cursor:
        await cursor.execute("SELECT user_id, is_pro, status, source, active_from, active_until FROM entitlements")
        while rows := await cursor.fetchmany(READ_CHUNK):
            for user_id, *live in rows:
                verdict = expected.pop(user_id, None)
                if verdict is None or live != [getattr(verdict, field.name) for field in fields(Verdict)]:
                    differences.users.append(user_id)
    differences.users.extend(sorted(expected))
    return differences


def _columns(payment: Payment | None) -> list[object] | None:
    """A payment as the query above shows it."""
    if payment is None:
        return None
    return [payment.provider, payment.user_id, knowledge_rows(payment.knowledge), sorted(payment.refs)]


async def _write(connection: Connection, fresh: Projection, differences: Differences, touched: set[str]) -> None:
    gone = [payment_id for payment_id in differences.payments if payment_id not in fresh.payments]
    await connection.execute("DELETE FROM payments WHERE id = ANY(%s)", (gone,))
    await connection.execute("DELETE FROM payment_refs WHERE payment_id = ANY(%s)", (differences.payments,))
    ids = {i for i in differences.payments if i in fresh.payments} | {
        fresh.surviving(i) for i in fresh.payment_of_fact.values()
    }
    await projection_store.save_payments(connection, [fresh.payments[i] for i in sorted(ids)])
    users = sorted(touched.union(differences.users))
    live = {row.user_id: row for row in await projection_store.load_entitlements(connection, users)}
    changes = [change for user in users if (change := _correction(live.get(user), fresh.entitlements.get(user), user))]
    await projection_store.save_entitlements(connection, [change.after for change in changes])
    if changes:
        await enqueue(connection, [announcement(change) for change in changes])


def _correction(live: Entitlement | None, fresh: Entitlement | None, user_id: str) -> Change | None:
    """The live row with the fresh verdict; the version only ever grows. A row without any fact becomes none."""
    before = live or Entitlement(user_id)
    right = fresh or Entitlement(user_id, caused_by=before.caused_by, updated_at=before.updated_at)
    if right.verdict == before.verdict:
        return None
    return Change(before, replace(right, version=before.version + 1 if live else right.version))
