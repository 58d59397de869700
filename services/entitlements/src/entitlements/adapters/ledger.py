"""Appending to the ledger and reading it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import set_json_loads
from pydantic_core import from_json

from atlas_kit.storage.database import Connection
from atlas_kit.storage.rows import as_json
from atlas_kit.storage.together import Question, Statement
from entitlements.adapters.ledger_entry import TIES, LedgerEntry, make_fact
from entitlements.domain.facts import Fact
from entitlements.domain.fold_version import FOLD_VERSION

FOLD_LOCK = 5_210_717
"""Key of the advisory lock for appending and folding: one transaction at a time, so that facts are folded in the order
of the ledger."""

READ_CHUNK = 2_000

_COLUMNS = {
    "provider": "text", "provider_event_id": "text", "event_id": "text", "type": "text", "user_id": "text",
    "product_key": "text", "plan_type": "text", "occurred_at": "timestamptz", "received_at": "timestamptz",
    "recorded_at": "timestamptz", "via": "text", "payload_hash": "text", "signature_verified": "boolean",
    "schema_version": "bigint", "checkout_session_id": "text", "payment_intent_id": "text", "charge_id": "text",
    "customer_id": "text", "refund_id": "text", "dispute_id": "text", "facts": "jsonb", "read_by": "bigint",
    "request_id": "text",
}  # fmt: skip
_APPEND_ROWS = (
    f"INSERT INTO ledger ({', '.join(_COLUMNS)})"  # noqa: S608 - names of our own columns
    " SELECT * FROM json_to_recordset(%(rows)s)"
    f" AS t ({', '.join(f'{name} {kind}' for name, kind in _COLUMNS.items())})"
    " ON CONFLICT (provider, provider_event_id) DO NOTHING RETURNING provider, provider_event_id, seq"
)
_APPEND = Statement.of(_APPEND_ROWS, "rows")
FACT_COLUMNS = (
    f"seq, event_id, type, provider, user_id, occurred_at, recorded_at, schema_version, facts, {', '.join(TIES)}"
)
_READ = f"""
SELECT {FACT_COLUMNS} FROM ledger
WHERE seq > %(after)s AND (%(only)s::bigint[] IS NULL OR seq = ANY(%(only)s)) ORDER BY seq
"""  # noqa: S608 - names of our own columns


LOCK = Statement.of(f"SELECT pg_advisory_xact_lock({FOLD_LOCK})")


async def lock_fold(connection: Connection) -> None:
    """Wait for the lock that appending and folding need; it is held until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (FOLD_LOCK,))


@dataclass(frozen=True, slots=True)
class Appending:
    """Entries for the ledger. ``facts``: what each would be, by its key, without its sequence."""

    asked: Question
    facts: Mapping[tuple[str, str], Fact]

    def appended(self) -> list[Fact]:
        """Those whose ``(provider, providerEventId)`` is new, in the ledger's order; when it was asked."""
        facts = [self.facts[provider, event_id]._replace(seq=seq) for provider, event_id, seq in self.asked.rows]
        return sorted(facts, key=lambda fact: fact.seq)


def append(entries: Sequence[LedgerEntry], recorded_at: datetime) -> Appending:
    """To be sent: the entries whose ``(provider, providerEventId)`` is new; of several with the same, the first."""
    distinct = {entry.key: entry for entry in reversed(entries)}
    rows = as_json([_row(entry, recorded_at) for entry in reversed(distinct.values())])
    return Appending(Question(_APPEND, (rows,)), {key: entry.fact(0, recorded_at) for key, entry in distinct.items()})


async def read_facts(
    connection: Connection, *, after_seq: int = 0, only: Sequence[int] | None = None
) -> AsyncIterator[list[Fact]]:
    """Every fact after sequence ``after_seq``, oldest first; with ``only``, just the facts with these sequences.

    They are streamed in chunks of READ_CHUNK, because fetching them one by one takes several times as long.
    """
    async with connection.cursor("ledger_facts") as cursor:
        set_json_loads(from_json, cursor)  # pydantic's JSON reader is twice as fast as the standard library's
        await cursor.execute(_READ.encode(), {"after": after_seq, "only": only})
        while rows := await cursor.fetchmany(READ_CHUNK):
            yield [fact_from_row(row) for row in rows]


def fact_from_row(row: Sequence[Any]) -> Fact:
    """The domain's fact, from a row that begins with :data:`FACT_COLUMNS`."""
    return make_fact(
        seq=row[0],
        event_id=row[1],
        event_type=row[2],
        provider=row[3],
        user_id=row[4],
        occurred_at=row[5],
        recorded_at=row[6],
        schema_version=row[7],
        facts=row[8],
        ties=dict(zip(TIES, row[9 : 9 + len(TIES)], strict=True)),
    )


async def all_known(connection: Connection, keys: Sequence[tuple[str, str]]) -> bool:
    """Whether every ``(provider, providerEventId)`` is in the ledger, and so folded."""
    return len(await known_keys(connection, keys)) == len(set(keys))


async def known_keys(connection: Connection, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of ``keys``, each ``(provider, providerEventId)``, that are in the ledger."""
    distinct = sorted(set(keys))
    cursor = await connection.execute(
        "SELECT provider, provider_event_id FROM ledger JOIN unnest(%s::text[], %s::text[]) AS k (p, e)"
        " ON provider = k.p AND provider_event_id = k.e",
        ([key[0] for key in distinct], [key[1] for key in distinct]),
    )
    return {(provider, event_id) for provider, event_id in await cursor.fetchall()}


def _row(entry: LedgerEntry, recorded_at: datetime) -> dict[str, Any]:
    data, refs = entry.data, entry.data.refs
    values = (
        str(data.provider), data.provider_event_id, data.event_id, entry.type, data.user_id,
        data.product_key, data.plan_type, data.occurred_at, data.received_at,
        recorded_at, str(data.via), data.payload_hash, data.signature_verified,
        data.schema_version, refs.checkout_session_id, refs.payment_intent_id, refs.charge_id,
        refs.customer_id, refs.refund_id, refs.dispute_id, entry.facts, FOLD_VERSION,
        entry.ids.request_id if entry.ids else None,
    )  # fmt: skip
    return dict(zip(_COLUMNS, values, strict=True))
