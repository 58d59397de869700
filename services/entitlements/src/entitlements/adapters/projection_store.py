"""Loads the rows of the projection that a batch of facts can change, and saves what it changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence

from atlas_kit.storage.database import Connection
from entitlements.adapters.knowledge_json import decode_knowledge, encode_knowledge
from entitlements.domain.facts import Fact, claimed_by
from entitlements.domain.policy import Policy
from entitlements.domain.projection import Change, Entitlement, Payment, Projection
from entitlements.domain.verdict import Verdict

_LOAD_PAYMENTS = """
WITH touched AS (SELECT DISTINCT payment_id FROM payment_refs WHERE ref = ANY(%(refs)s)),
     users AS (SELECT p.user_id FROM payments p JOIN touched t ON t.payment_id = p.id WHERE p.user_id IS NOT NULL
               UNION SELECT unnest(p.also_users) FROM payments p JOIN touched t ON t.payment_id = p.id
               UNION SELECT unnest(%(users)s::text[])),
     wanted AS (SELECT payment_id AS id FROM touched
                UNION SELECT p.id FROM payments p JOIN users u ON p.user_id = u.user_id
                UNION SELECT p.id FROM users u JOIN payments p ON p.also_users @> ARRAY[u.user_id])
SELECT p.id, p.provider, p.user_id, p.knowledge, p.also_users, p.review,
       (SELECT array_agg(r.ref) FROM payment_refs r WHERE r.payment_id = p.id)
FROM wanted JOIN payments p USING (id)
"""
_LOAD_ENTITLEMENTS = """
SELECT user_id, is_pro, status, source, active_from, active_until, version, reason, caused_by, updated_at,
       request_id
FROM entitlements WHERE user_id = ANY(%s)
"""
# Arrays are sent in binary (%b): see ``ledger``.
_SAVE_PAYMENTS = """
INSERT INTO payments (id, provider, user_id, knowledge, also_users, review)
SELECT id, provider, user_id, knowledge, (SELECT array_agg(u) FROM jsonb_array_elements_text(also) u), review
FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::jsonb[], %b::jsonb[], %b::text[])
    AS t (id, provider, user_id, knowledge, also, review)
ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, knowledge = excluded.knowledge,
    also_users = excluded.also_users, review = excluded.review
"""
_SAVE_REFS = """
INSERT INTO payment_refs (ref, payment_id) SELECT * FROM unnest(%b::text[], %b::bigint[])
ON CONFLICT (ref) DO UPDATE SET payment_id = excluded.payment_id WHERE payment_refs.payment_id <> excluded.payment_id
"""
_SAVE_FACTS = """
INSERT INTO payment_facts (seq, payment_id) SELECT * FROM unnest(%b::bigint[], %b::bigint[])
ON CONFLICT (seq) DO UPDATE SET payment_id = excluded.payment_id
"""
_MOVE_FACTS = """
UPDATE payment_facts f SET payment_id = m.new FROM unnest(%b::bigint[], %b::bigint[]) AS m (old, new)
WHERE f.payment_id = m.old
"""
_SAVE_ENTITLEMENTS = """
INSERT INTO entitlements
    (user_id, is_pro, status, source, active_from, active_until, version, reason, caused_by, updated_at,
     request_id)
SELECT * FROM unnest(%b::text[], %b::boolean[], %b::text[], %b::text[], %b::timestamptz[], %b::timestamptz[],
                     %b::bigint[], %b::text[], %b::text[], %b::timestamptz[], %b::text[])
ON CONFLICT (user_id) DO UPDATE SET
    is_pro = excluded.is_pro, status = excluded.status, source = excluded.source, active_from = excluded.active_from,
    active_until = excluded.active_until, version = excluded.version, reason = excluded.reason,
    caused_by = excluded.caused_by, updated_at = excluded.updated_at, request_id = excluded.request_id
"""


async def load(connection: Connection, facts: Sequence[Fact], policy: Policy) -> Projection:
    """The part of the projection that these facts can change."""
    projection = Projection(policy)
    refs = sorted({ref for fact in facts for ref in fact.refs})
    users = {fact.user_id for fact in facts if fact.user_id and fact.refs}
    await _load_payments(connection, projection, refs, users)
    # Other users that facts name as a buyer: a payment may become theirs, for instance under a changed policy.
    claimants = {user for payment in projection.payments.values() for user in claimed_by(payment.knowledge)} - users
    if claimants:
        await _load_payments(connection, projection, [], claimants)
        users |= claimants
    for entitlement in await load_entitlements(connection, users):
        projection.entitlements[entitlement.user_id] = entitlement
    return projection


async def _load_payments(connection: Connection, projection: Projection, refs: Sequence[str], users: set[str]) -> None:
    """Add the payments that ``refs`` name and all payments of ``users``. Owners found are added to ``users``."""
    cursor = await connection.execute(_LOAD_PAYMENTS.encode(), {"refs": list(refs), "users": sorted(users)})
    async for payment_id, provider, user_id, knowledge, also, review, payment_refs in cursor:
        payment = Payment(
            payment_id, provider, set(payment_refs or ()), decode_knowledge(knowledge), user_id, frozenset(also or ()),
            review,
        )  # fmt: skip
        projection.add_payment(payment)
        users |= payment.users


async def load_entitlements(connection: Connection, users: Collection[str]) -> list[Entitlement]:
    cursor = await connection.execute(_LOAD_ENTITLEMENTS.encode(), (list(users),))
    return [
        Entitlement(
            row[0],
            Verdict(*row[1:6]),
            version=row[6],
            reason=row[7],
            caused_by=row[8],
            updated_at=row[9],
            request_id=row[10],
        )
        async for row in cursor
    ]


async def save(
    connection: Connection, projection: Projection, changes: Iterable[Change], requests: Mapping[str | None, str]
) -> None:
    """Write what the facts changed. ``requests``: the id of the request that told each fact, by event id."""
    payments = [
        projection.payments[i] for i in sorted(set(projection.payment_of_fact.values()) - set(projection.absorbed))
    ]
    facts = {seq: projection.surviving(payment_id) for seq, payment_id in projection.payment_of_fact.items()}
    written = {change.after.user_id for change in changes} | projection.reworded
    entitlements = [projection.entitlements[user_id] for user_id in sorted(written)]
    if projection.absorbed:
        await _forget_absorbed(connection, projection)
    await save_payments(connection, payments)
    await save_facts(connection, facts)
    await save_entitlements(connection, entitlements, requests)


async def save_payments(connection: Connection, payments: Sequence[Payment]) -> None:
    """Upsert payments and the ids that name them."""
    if not payments:
        return
    columns = (
        [p.id for p in payments],
        [p.provider for p in payments],
        [p.user_id for p in payments],
        [encode_knowledge(p.knowledge) for p in payments],
        [json.dumps(sorted(p.also)) for p in payments],
        [p.review for p in payments],
    )
    await connection.execute(_SAVE_PAYMENTS.encode(), columns)
    refs = [(ref, p.id) for p in payments for ref in sorted(p.refs)]
    await connection.execute(_SAVE_REFS.encode(), ([ref for ref, _ in refs], [owner for _, owner in refs]))


async def save_facts(connection: Connection, facts: Mapping[int, int]) -> None:
    """Upsert which payment each fact (by sequence) belongs to."""
    await connection.execute(_SAVE_FACTS.encode(), (list(facts), list(facts.values())))


async def save_entitlements(
    connection: Connection, entitlements: Sequence[Entitlement], requests: Mapping[str | None, str]
) -> None:
    """Upsert users' rows. A row whose cause is not in ``requests`` keeps the request id that it has."""
    if not entitlements:
        return
    rows = [
        (
            e.user_id, e.verdict.is_pro, e.verdict.status, e.verdict.source, e.verdict.active_from,
            e.verdict.active_until, e.version, e.reason, e.caused_by, e.updated_at,
            requests.get(e.caused_by, e.request_id),
        )
        for e in entitlements
    ]  # fmt: skip
    await connection.execute(_SAVE_ENTITLEMENTS.encode(), [list(column) for column in zip(*rows, strict=True)])


async def _forget_absorbed(connection: Connection, projection: Projection) -> None:
    old = list(projection.absorbed)
    new = [projection.surviving(payment_id) for payment_id in old]
    await connection.execute(_MOVE_FACTS.encode(), (old, new))
    await connection.execute("DELETE FROM payments WHERE id = ANY(%s)", (old,))
