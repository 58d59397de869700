"""Computes the projection anew from the whole ledger, compares it with the live one, and repairs differences.

Ledger and projection are read from one database snapshot, so verifying needs no lock and the live service goes on.
Only verdicts are compared, so each payment is judged once, after all facts are read, and not after every fact.

To repair, the fold's lock is taken, facts that arrived meanwhile are folded too, and only rows that differ are written.
A corrected verdict is announced like any change. Its version and cause depend on the order of the facts, so the facts
of the users concerned are folded one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import NamedTuple

from psycopg import AsyncConnection, IsolationLevel

from atlas_kit.messaging.outbox import enqueue
from atlas_kit.process import context
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
"""Payments per statement, so that a statement stays far below Postgres's limit of 1 GB per message."""

Progress = Callable[[int, int], None]
"""Called with the number of facts folded so far and the number of all facts."""


class Seen(NamedTuple):
    """What a verification read: the ledger up to ``last_seq``, after ``forgets`` users had been forgotten."""

    last_seq: int
    forgets: int


class ForgottenMeanwhileError(Exception):
    """A user was forgotten after the ledger was read, so the computed projection still holds their id."""


async def verify(dsn: str, policy: Policy, progress: Progress) -> tuple[Projection, Differences, Seen]:
    """Compute a fresh projection and compare it with the live one; changes nothing.

    Returns the fresh projection, the differences, and up to where the ledger was read. Raises psycopg.Error.
    """
    async with await AsyncConnection.connect(dsn) as connection:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        forgets = await _forgets(connection)
        fresh, last_seq = await _fold_everything(connection, policy, progress)
        return fresh, await compare(connection, fresh), Seen(last_seq, forgets)


async def rebuild(dsn: str, policy: Policy, progress: Progress) -> Differences:
    """Verify, repair the differences, and record that our version of the fold made the whole projection.

    Returns the differences that were repaired. Raises psycopg.Error; after a lost commit the repair may have been made,
    and running it again is safe.
    """
    while True:
        fresh, differences, seen = await verify(dsn, policy, progress)
        try:
            async with await AsyncConnection.connect(dsn) as connection:
                last_seq = seen.last_seq
                if differences.count:
                    last_seq = await _put_right(connection, fresh, differences, seen)
                await mark_folded(connection, last_seq)
        except ForgottenMeanwhileError:
            continue  # rare; the next pass reads the user's facts under the new random id
        return differences


async def _forgets(connection: Connection) -> int:
    cursor = await connection.execute("SELECT forgets FROM projection_reading")
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def _put_right(connection: Connection, fresh: Projection, differences: Differences, seen: Seen) -> int:
    """Write the rows that differ, including what facts after ``seen`` change. Returns the last sequence folded.

    Raises ForgottenMeanwhileError before anything is written.
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
    """Give these users' fresh rows the version, cause and time that folding fact by fact gives.

    Only payments in which some fact names a user can ever have changed that user's verdict, so only those are folded.
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
    """Replace the rows of these payments by the fresh ones; payments that no longer exist are deleted."""
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
    if not changes:
        return
    with context.bound(context.current_request_id()):  # one id for all that this run corrects
        run = dict.fromkeys((change.after.caused_by for change in changes), context.current_request_id())
        await projection_store.save_entitlements(connection, [change.after for change in changes], run)
        await enqueue(connection, [announcement(change) for change in changes])


def _correction(live: Entitlement | None, fresh: Entitlement | None, user_id: str) -> Change | None:
    """The change that gives the live row the fresh verdict, None when it has it. The version always grows.

    A live row whose user has no fact gets the verdict "nothing known".
    """
    before = live or Entitlement(user_id)
    right = fresh or Entitlement(user_id, caused_by=before.caused_by, updated_at=before.updated_at)
    if right.verdict == before.verdict:
        return None
    return Change(before, replace(right, version=before.version + 1 if live else right.version))
