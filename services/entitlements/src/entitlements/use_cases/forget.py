"""Forgetting a user: their id is replaced in ledger and projection, and their entry leaves the state bucket; the
financial facts stay.
"""

from __future__ import annotations

import json
import secrets
from typing import Any, NamedTuple

from atlas_contracts.user_id import FORGOTTEN
from atlas_kit.messaging.outbox import enqueue
from atlas_kit.storage.database import Connection, Database
from entitlements.adapters import ledger
from entitlements.use_cases.keep_state import has_left_outbox, removal

REMOVAL_SECONDS = 5.0
"""How long the answer waits for the outbox to remove the user's entry."""


class Forgotten(NamedTuple):
    """How many facts of the ledger were about the user, and the outbox row that removes their entry."""

    facts: int
    removal: str


async def forget_and_see(database: Database, user_id: str) -> tuple[int, bool]:
    """Forget the user. Returns how many facts were about them, and whether their entry has left the bucket already.

    If it hasn't, the outbox removes it as soon as the broker answers. Raises DatabaseUnavailable.
    """
    async with database.transaction() as connection:
        done = await forget(connection, user_id)
    return done.facts, await has_left_outbox(database, done.removal, REMOVAL_SECONDS)


async def forget(connection: Connection, user_id: str) -> Forgotten:
    """Replace the user's id by a random one in every table, in the caller's transaction.

    Events about the user that are still in the outbox are deleted and so never published. The removal of the entry is
    a row there: whatever the relay holds about the user at this moment, it writes before.
    """
    await ledger.lock_fold(connection)
    alias = f"{FORGOTTEN}{secrets.token_hex(12)}"
    cursor = await connection.execute("SELECT forget_user(%s, %s)", (user_id, alias))
    row = await cursor.fetchone()
    renamed = await connection.execute("UPDATE entitlements SET user_id = %s WHERE user_id = %s", (alias, user_id))
    entry = removal(user_id, known=renamed.rowcount > 0)
    await connection.execute(
        "UPDATE payment_refs SET ref = %s WHERE ref = %s", (f"manual:user:{alias}", f"manual:user:{user_id}")
    )
    cursor = await connection.execute(
        "SELECT id, knowledge FROM payments WHERE user_id = %(user)s OR also_users @> ARRAY[%(user)s]"
        " UNION SELECT p.id, p.knowledge FROM payments p JOIN payment_facts f ON f.payment_id = p.id"
        " JOIN ledger l USING (seq) WHERE l.user_id = %(alias)s",
        {"user": user_id, "alias": alias},
    )
    for payment_id, knowledge in await cursor.fetchall():
        told = json.dumps([_renamed(row, user_id, alias) for row in knowledge])
        await connection.execute(
            "UPDATE payments SET knowledge = %(told)s::jsonb,"
            " also_users = array_replace(also_users, %(user)s, %(alias)s),"
            " user_id = CASE user_id WHEN %(user)s THEN %(alias)s ELSE user_id END WHERE id = %(id)s",
            {"told": told, "user": user_id, "alias": alias, "id": payment_id},
        )
    # A rebuild that read the ledger before this commit must read it again: it would write the old user id back.
    await connection.execute("UPDATE projection_reading SET forgets = forgets + 1")
    await connection.execute("DELETE FROM outbox WHERE payload::jsonb ->> 'subject' = %s", (user_id,))
    await enqueue(connection, [entry])
    return Forgotten(int(row[0]) if row else 0, entry.message_id)


def _renamed(row: list[Any], user_id: str, alias: str) -> list[Any]:
    """One row of ``knowledge_json`` with the user id replaced. The rest is untouched, also fields of newer versions."""
    kind, told, *span = row
    return [kind, {**told, "user_id": alias} if told.get("user_id") == user_id else told, *span]
