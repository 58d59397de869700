"""Loads the rows of the projection that a batch of facts can change, and saves what it changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atlas_kit.messaging.enqueued import ENQUEUE_TO_HAND_OVER, Enqueued
from atlas_kit.messaging.outbox import OutboxMessage, outbox_rows
from atlas_kit.storage.database import Connection
from atlas_kit.storage.rows import as_json
from atlas_kit.storage.together import Question, Rows, Statement, Work, array
from entitlements.adapters.knowledge_json import decode_knowledge, knowledge_rows
from entitlements.domain.facts import Fact, claimed_by
from entitlements.domain.policy import Policy
from entitlements.domain.projection import Change, Entitlement, Payment, Projection
from entitlements.domain.verdict import Verdict

# One statement for both kinds of rows: a round trip and a statement of psycopg's cost more than the columns left empty.
# Each step hands an array of keys to the next one. As joins, Postgres took the keys for thousands of rows and read both
# tables from end to end: a fold's cost grew with every user.
_LOAD = """
WITH touched AS MATERIALIZED (SELECT ARRAY(
         SELECT payment_id FROM payment_refs WHERE ref = ANY(%(refs)s::text[])) AS ids),
     named AS MATERIALIZED (SELECT %(users)s::text[] AS ids),
     users AS MATERIALIZED (SELECT ARRAY(
         SELECT user_id FROM payments WHERE id = ANY((SELECT ids FROM touched)::bigint[]) AND user_id IS NOT NULL
         UNION SELECT unnest(also_users) FROM payments WHERE id = ANY((SELECT ids FROM touched)::bigint[])
         UNION SELECT unnest(ids) FROM named) AS ids),
     wanted AS MATERIALIZED (SELECT ARRAY(
         SELECT unnest(ids) FROM touched
         UNION SELECT id FROM payments WHERE user_id = ANY((SELECT ids FROM users)::text[])
         UNION SELECT id FROM payments WHERE also_users && (SELECT ids FROM users)::text[]) AS ids),
     found AS MATERIALIZED (SELECT * FROM payments WHERE id = ANY((SELECT ids FROM wanted)::bigint[])),
     owners AS MATERIALIZED (SELECT ARRAY(
         SELECT user_id FROM found UNION SELECT unnest(also_users) FROM found
         UNION SELECT unnest(ids) FROM named) AS ids)
SELECT id, provider, user_id, knowledge, also_users, review,
       (SELECT array_agg(r.ref) FROM payment_refs r WHERE r.payment_id = found.id) AS refs,
       NULL::boolean, NULL, NULL, NULL::timestamptz, NULL::timestamptz, NULL::bigint, NULL, NULL, NULL::timestamptz,
       NULL
FROM found
UNION ALL
SELECT NULL, NULL, user_id, NULL, NULL, NULL, NULL,
       is_pro, status, source, active_from, active_until, version, reason, caused_by, updated_at, request_id
FROM entitlements WHERE user_id = ANY((SELECT ids FROM owners)::text[])
"""
_LOAD_ENTITLEMENTS = """
SELECT user_id, is_pro, status, source, active_from, active_until, version, reason, caused_by, updated_at,
       request_id
FROM entitlements WHERE user_id = ANY(%s)
"""
# Rows are sent as JSON (``storage.rows``). Each statement is one table's, and a part of _SAVE.
_PAYMENTS = """
INSERT INTO payments (id, provider, user_id, knowledge, also_users, review)
SELECT * FROM json_to_recordset(%(payments)s) AS
    t (id bigint, provider text, user_id text, knowledge jsonb, also_users text[], review text)
ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, knowledge = excluded.knowledge,
    also_users = excluded.also_users, review = excluded.review
"""
_REFS = """
INSERT INTO payment_refs (ref, payment_id)
SELECT * FROM json_to_recordset(%(refs)s) AS t (ref text, payment_id bigint)
ON CONFLICT (ref) DO UPDATE SET payment_id = excluded.payment_id WHERE payment_refs.payment_id <> excluded.payment_id
"""
_FACTS = """
INSERT INTO payment_facts (seq, payment_id)
SELECT * FROM json_to_recordset(%(facts)s) AS t (seq bigint, payment_id bigint)
ON CONFLICT (seq) DO UPDATE SET payment_id = excluded.payment_id
"""
_ENTITLEMENTS = """
INSERT INTO entitlements
    (user_id, is_pro, status, source, active_from, active_until, version, reason, caused_by, updated_at,
     request_id)
SELECT * FROM json_to_recordset(%(entitlements)s) AS
    t (user_id text, is_pro boolean, status text, source text, active_from timestamptz, active_until timestamptz,
       version bigint, reason text, caused_by text, updated_at timestamptz, request_id text)
ON CONFLICT (user_id) DO UPDATE SET
    is_pro = excluded.is_pro, status = excluded.status, source = excluded.source, active_from = excluded.active_from,
    active_until = excluded.active_until, version = excluded.version, reason = excluded.reason,
    caused_by = excluded.caused_by, updated_at = excluded.updated_at, request_id = excluded.request_id
"""
_SAVE = f"""
WITH payments_saved AS ({_PAYMENTS}), refs_saved AS ({_REFS}), facts_saved AS ({_FACTS}),
     entitlements_saved AS ({_ENTITLEMENTS}),
{ENQUEUE_TO_HAND_OVER}
"""
_LOAD_TOGETHER = Statement.of(_LOAD, "refs", "users")
_SAVED = ("payments", "refs", "facts", "entitlements", "messages", "known")
_SAVE_TOGETHER = Statement.of(_SAVE, *_SAVED)
_MOVE_FACTS = """
UPDATE payment_facts f SET payment_id = m.new FROM unnest(%b::bigint[], %b::bigint[]) AS m (old, new)
WHERE f.payment_id = m.old
"""


@dataclass(frozen=True, slots=True)
class Loading:
    """A question to the database: which rows do facts touch, that name these payments and users."""

    asked: Question
    refs: Sequence[str]
    users: set[str]

    async def projection(self, connection: Connection, policy: Policy) -> Projection:
        """The part of the projection that the facts asked about can change; when it was asked."""
        projection = Projection(policy)
        _add_rows(projection, self.asked.rows)
        # Other users that facts name as a buyer: a payment may become theirs, for instance under a changed policy.
        loaded = self.users.union(*(payment.users for payment in projection.payments.values()))
        claimants = {user for payment in projection.payments.values() for user in claimed_by(payment.knowledge)}
        if further := claimants - loaded:
            _add_rows(projection, await _load(connection, [], further))
        return projection


def ask(facts: Sequence[Fact]) -> Loading:
    """The question what these facts can change, to be sent."""
    refs = sorted({ref for fact in facts for ref in fact.refs})
    users = {fact.user_id for fact in facts if fact.user_id and fact.refs}
    return Loading(Question(_LOAD_TOGETHER, (array(refs), array(sorted(users)))), refs, users)


async def load(connection: Connection, facts: Sequence[Fact], policy: Policy) -> Projection:
    """The part of the projection that these facts can change."""
    loading = ask(facts)
    loading.asked.rows = await _load(connection, loading.refs, loading.users)
    return await loading.projection(connection, policy)


async def _load(connection: Connection, refs: Collection[str], users: Collection[str]) -> Rows:
    cursor = await connection.execute(_LOAD.encode(), {"refs": list(refs), "users": sorted(users)})
    return await cursor.fetchall()


def _add_rows(projection: Projection, rows: Sequence[Sequence[Any]]) -> None:
    for row in rows:
        payment_id, provider, user_id, knowledge, also, review, refs = row[:7]
        if payment_id is None:
            projection.entitlements[user_id] = _entitlement(user_id, row[7:])
        elif payment_id not in projection.payments:
            projection.add_payment(
                Payment(
                    payment_id, provider, set(refs or ()), decode_knowledge(knowledge), user_id, frozenset(also or ()),
                    review,
                )
            )  # fmt: skip


def _entitlement(user_id: str, row: Sequence[Any]) -> Entitlement:
    return Entitlement(
        user_id,
        Verdict(*row[:5]),
        version=row[5],
        reason=row[6],
        caused_by=row[7],
        updated_at=row[8],
        request_id=row[9],
    )


async def load_entitlements(connection: Connection, users: Collection[str]) -> list[Entitlement]:
    cursor = await connection.execute(_LOAD_ENTITLEMENTS.encode(), (list(users),))
    return [_entitlement(row[0], row[1:]) async for row in cursor]


async def save(
    work: Work,
    projection: Projection,
    changes: Iterable[Change],
    requests: Mapping[str | None, str],
    messages: Sequence[OutboxMessage],
    known: int | None,
) -> Enqueued:
    """Write what the facts changed, and the events that announce it. ``requests``: the id of the request that told each
    fact, by event id. ``known``: see ``HandedOver.known``. It is sent with the commit.
    """
    payments = [
        projection.payments[i] for i in sorted(set(projection.payment_of_fact.values()) - set(projection.absorbed))
    ]
    facts = {seq: projection.surviving(payment_id) for seq, payment_id in projection.payment_of_fact.items()}
    written = {change.after.user_id for change in changes} | projection.reworded
    entitlements = [projection.entitlements[user_id] for user_id in sorted(written)]
    if projection.absorbed:
        await _forget_absorbed(work.connection, projection)
    rows: dict[str, str | None] = {
        "payments": as_json(_payment_rows(payments)),
        "refs": as_json(_ref_rows(payments)),
        "facts": as_json(_fact_rows(facts)),
        "entitlements": as_json(_entitlement_rows(entitlements, requests)),
        "messages": outbox_rows(messages),
        "known": None if known is None else str(known),
    }
    asked = work.put_off(Question(_SAVE_TOGETHER, [rows[name] for name in _SAVED]))
    return Enqueued(asked, messages, known)


async def save_payments(connection: Connection, payments: Sequence[Payment]) -> None:
    """Upsert payments and the ids that name them."""
    if not payments:
        return
    await connection.execute(_PAYMENTS.encode(), {"payments": as_json(_payment_rows(payments))})
    await connection.execute(_REFS.encode(), {"refs": as_json(_ref_rows(payments))})


async def save_facts(connection: Connection, facts: Mapping[int, int]) -> None:
    """Upsert which payment each fact (by sequence) belongs to."""
    await connection.execute(_FACTS.encode(), {"facts": as_json(_fact_rows(facts))})


async def save_entitlements(
    connection: Connection, entitlements: Sequence[Entitlement], requests: Mapping[str | None, str]
) -> None:
    """Upsert users' rows. A row whose cause is not in ``requests`` keeps the request id that it has."""
    if entitlements:
        rows = as_json(_entitlement_rows(entitlements, requests))
        await connection.execute(_ENTITLEMENTS.encode(), {"entitlements": rows})


def _payment_rows(payments: Sequence[Payment]) -> list[dict[str, Any]]:
    return [
        {
            "id": p.id, "provider": p.provider, "user_id": p.user_id, "knowledge": knowledge_rows(p.knowledge),
            "also_users": sorted(p.also) or None, "review": p.review,
        }
        for p in payments
    ]  # fmt: skip


def _ref_rows(payments: Sequence[Payment]) -> list[dict[str, Any]]:
    return [{"ref": ref, "payment_id": p.id} for p in payments for ref in sorted(p.refs)]


def _fact_rows(facts: Mapping[int, int]) -> list[dict[str, Any]]:
    return [{"seq": seq, "payment_id": payment_id} for seq, payment_id in facts.items()]


def _entitlement_rows(entitlements: Sequence[Entitlement], requests: Mapping[str | None, str]) -> list[dict[str, Any]]:
    return [
        {
            "user_id": e.user_id, "is_pro": e.verdict.is_pro, "status": e.verdict.status, "source": e.verdict.source,
            "active_from": e.verdict.active_from, "active_until": e.verdict.active_until, "version": e.version,
            "reason": e.reason, "caused_by": e.caused_by, "updated_at": e.updated_at,
            "request_id": requests.get(e.caused_by, e.request_id),
        }
        for e in entitlements
    ]  # fmt: skip


async def _forget_absorbed(connection: Connection, projection: Projection) -> None:
    old = list(projection.absorbed)
    new = [projection.surviving(payment_id) for payment_id in old]
    await connection.execute(_MOVE_FACTS.encode(), (old, new))
    await connection.execute("DELETE FROM payments WHERE id = ANY(%s)", (old,))
