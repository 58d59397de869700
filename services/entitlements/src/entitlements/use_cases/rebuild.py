"""Folding the whole ledger again, beside the live projection, and comparing.

One snapshot of the database holds ledger and projection as of the same commit, so verifying needs no lock and the
live service goes on. Only verdicts are compared, so each payment is judged once, when all is read, not fact by fact.

To repair, the fold's lock is taken, what came meanwhile is folded too, and only rows that differ are written; a verdict
that turns out different is announced like any change. Which fact made it so is a matter of the steps: the users
concerned are folded fact by fact for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import NamedTuple

from psycopg import AsyncConnection, IsolationLevel

from atlas_kit.messaging.outbox import enqueue
from atlas_kit.storage.database import Connection
from entitlements.adapters import ledger, projection_store
from entitlements.domain.facts import claimed_by
from entitlements.domain.policy import Policy
from entitlements.domain.projection import Change, Entitlement, Projection
from entitlements.use_cases.compare_projections import Differences, compare
from entitlements.use_cases.fold import announcement
from entitlements.use_cases.refold_after_upgrade import mark_folded
from entitlements.use_cases.resolve_charges import seek_again

WRITE_CHUNK = 10_000
"""Payments per statement: what one message to the server holds stays far below its limit of 1 GB."""

Progress = Callable[[int, int], None]
"""Called with facts folded so far and facts in all."""


class Seen(NamedTuple):
    """The last ledger sequence that was folded, and how many users had been forgotten by then."""

    last_seq: int
    forgets: int


class ForgottenMeanwhileError(Exception):
    """Somebody was forgotten after the ledger was read: what was folded still knows them."""


async def verify(dsn: str, policy: Policy, progress: Progress) -> tuple[Projection, Differences, Seen]:
    """A fresh projection, how it differs from the live one, and what of the database it has seen."""
    async with await AsyncConnection.connect(dsn) as connection:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        forgets = await _forgets(connection)
        fresh, last_seq = await _fold_everything(connection, policy, progress)
        return fresh, await compare(connection, fresh), Seen(last_seq, forgets)


async def rebuild(dsn: str, policy: Policy, progress: Progress) -> Differences:
    """Verify, put right what differs, and note that our version of the fold made it all. Returns what was put right."""
    while True:
        fresh, differences, seen = await verify(dsn, policy, progress)
        try:
            async with await AsyncConnection.connect(dsn) as connection:
                last_seq = seen.last_seq
                if differences.count:
                    last_seq = await _put_right(connection, fresh, differences, seen)
                await mark_folded(connection, last_seq)
        except ForgottenMeanwhileError:
            continue  # seldom, and the next pass reads them under their alias
        return differences


async def _forgets(connection: Connection) -> int:
    cursor = await connection.execute("SELECT forgets FROM projection_reading")
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def _put_right(connection: Connection, fresh: Projection, differences: Differences, seen: Seen) -> int:
    """Write what differs, with what came after what was seen; the last sequence folded.

    Raises ForgottenMeanwhileError, with nothing written.
    """
    await ledger.lock_fold(connection)
    if await _forgets(connection) != seen.forgets:
        raise ForgottenMeanwhileError
    last_seq = seen.last_seq
    await _take_the_steps(connection, fresh, differences.users)
    users, payments = set(differences.users), set(differences.payments)
    async for facts in ledger.read_facts(connection, after_seq=last_seq):
        users.update(change.after.user_id for fact in facts for change in fresh.apply(fact))
        payments.update(fresh.payment_of_fact[fact.seq] for fact in facts if fact.refs)
        last_seq = facts[-1].seq
    await _write_payments(connection, fresh, payments | set(fresh.absorbed))
    await _write_entitlements(connection, fresh, users)
    await seek_again(connection)
    return last_seq


async def _fold_everything(connection: Connection, policy: Policy, progress: Progress) -> tuple[Projection, int]:
    cursor = await connection.execute("SELECT count(*) FROM ledger")
    row = await cursor.fetchone()
    total = int(row[0]) if row else 0
    fresh, done, last_seq = Projection(policy), 0, 0
    async for facts in ledger.read_facts(connection):
        for fact in facts:
            fresh.learn(fact)
        done, last_seq = done + len(facts), facts[-1].seq
        progress(done, total)
    fresh.settle()
    progress(done, total)
    return fresh, last_seq


async def _take_the_steps(connection: Connection, fresh: Projection, users: Collection[str]) -> None:
    """Give these users' fresh rows the version, the cause and the time that folding fact by fact gives.

    Whatever a user's verdict ever hung on is a fact of a payment in which some fact names that user.
    """
    wanted = set(users)
    payments = {i for i, payment in fresh.payments.items() if wanted & claimed_by(payment.knowledge)}
    stepwise = Projection(fresh.policy)
    async for facts in ledger.read_facts(connection, only=_facts_of(fresh, payments)):
        for fact in facts:
            stepwise.apply(fact)
    fresh.entitlements.update({user: row for user, row in stepwise.entitlements.items() if user in wanted})


def _facts_of(fresh: Projection, payments: Collection[int]) -> list[int]:
    return [seq for seq, payment_id in fresh.payment_of_fact.items() if fresh.surviving(payment_id) in payments]


async def _write_payments(connection: Connection, fresh: Projection, payments: Collection[int]) -> None:
    """These payments as they are afresh; those that aren't any more go."""
    every = sorted(payments)
    for ids in (every[start : start + WRITE_CHUNK] for start in range(0, len(every), WRITE_CHUNK)):
        await connection.execute("DELETE FROM payments WHERE id = ANY(%s)", (ids,))
        await connection.execute("DELETE FROM payment_refs WHERE payment_id = ANY(%s)", (ids,))
        await connection.execute("DELETE FROM payment_facts WHERE payment_id = ANY(%s)", (ids,))
    right = sorted({fresh.surviving(payment_id) for payment_id in every} & fresh.payments.keys())
    for start in range(0, len(right), WRITE_CHUNK):
        ids = right[start : start + WRITE_CHUNK]
        await projection_store.save_payments(connection, [fresh.payments[payment_id] for payment_id in ids])
    facts = {seq: fresh.surviving(fresh.payment_of_fact[seq]) for seq in _facts_of(fresh, set(right))}
    await projection_store.save_facts(connection, facts)


async def _write_entitlements(connection: Connection, fresh: Projection, users: Collection[str]) -> None:
    wanted = sorted(users)
    live = {row.user_id: row for row in await projection_store.load_entitlements(connection, wanted)}
    changes = [change for user in wanted if (change := _correction(live.get(user), fresh.entitlements.get(user), user))]
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
