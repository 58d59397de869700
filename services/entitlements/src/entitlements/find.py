"""Whose an id is, for an operator: a user's own id, or any id of the provider's that the ledger has heard of."""

from __future__ import annotations

from typing import Any

from psycopg.rows import dict_row

from atlas_kit.database import Connection
from entitlements.domain.naming import payment_name

_TIED = ("checkout_session", "payment_intent", "charge", "refund", "dispute")
_COLUMNS = ("checkout_session_id", "payment_intent_id", "charge_id", "customer_id", "refund_id", "dispute_id")
# The facts that an id names: its event's, and those that refer to it. (A customer ties no payments.)
_FACTS = f"""
SELECT seq, user_id FROM ledger
WHERE provider_event_id = %(id)s OR event_id = %(id)s OR {" OR ".join(f"{column} = %(id)s" for column in _COLUMNS)}
"""  # noqa: S608 - names of our own columns
_FOUND = f"""
WITH facts AS ({_FACTS}),
mine AS (SELECT payment_id FROM payment_refs WHERE ref = ANY(%(refs)s)
         UNION SELECT payment_id FROM payment_facts JOIN facts USING (seq))
SELECT (SELECT count(*) FROM facts) + (SELECT count(*) FROM mine) > 0 AS known,
       EXISTS (SELECT 1 FROM ledger WHERE user_id = %(id)s)
         OR EXISTS (SELECT 1 FROM entitlements WHERE user_id = %(id)s) AS is_user,
       (SELECT array_agg(DISTINCT user_id ORDER BY user_id) FROM (
          SELECT user_id FROM facts UNION SELECT p.user_id FROM payments p JOIN mine ON p.id = mine.payment_id
          UNION SELECT l.user_id FROM mine JOIN payment_facts USING (payment_id) JOIN ledger l USING (seq)
        ) named WHERE user_id IS NOT NULL) AS users,
       (SELECT json_agg(r.refs) FROM (
          SELECT array_agg(ref) AS refs FROM payment_refs JOIN mine USING (payment_id)
          JOIN payments p ON p.id = payment_id WHERE p.provider <> 'manual' GROUP BY payment_id ORDER BY payment_id
        ) r) AS payments
"""  # noqa: S608 - built above


async def find(connection: Connection, name: str) -> dict[str, Any]:
    """``{"users", "payments", "known"}``: whom the id belongs to, and the payments it is part of, by their names."""
    refs = [f"stripe:{kind}:{name}" for kind in _TIED]
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_FOUND.encode(), {"id": name, "refs": refs})
        row = await cursor.fetchone()
    assert row
    users = dict.fromkeys([*([name] if row["is_user"] else []), *(row["users"] or [])])
    return {
        "users": list(users),
        "payments": [payment_name(refs) for refs in row["payments"] or []],
        "known": bool(row["known"] or row["is_user"]),
    }
