"""Reads everything that this database has about a user, for ``./atlas export``."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from atlas_contracts.model import iso_utc
from atlas_kit.storage.database import Database

_CUSTOMERS = 'SELECT customer_id AS "customerId", created_at AS "createdAt" FROM customers WHERE user_id = %s'
_SESSIONS = """
SELECT checkout_session_id AS "checkoutSessionId", id AS "attemptId", customer_id AS "customerId",
       price_id AS "priceId", source, state, amount, currency, offers, parameters,
       expires_at AS "expiresAt", created_at AS "createdAt", updated_at AS "updatedAt"
FROM checkout_attempts WHERE user_id = %s ORDER BY created_at, id
"""


async def kept_about(database: Database, user_id: str) -> dict[str, list[dict[str, Any]]]:
    """The user's Stripe customer and every attempt to buy, as one state of the database."""
    found: dict[str, list[dict[str, Any]]] = {}
    async with database.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
        for name, query in (("customers", _CUSTOMERS), ("sessions", _SESSIONS)):
            await cursor.execute(query.encode(), (user_id,))
            found[name] = [{key: _plain(value) for key, value in row.items()} for row in await cursor.fetchall()]
    return found


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return iso_utc(value)
        case UUID():
            return str(value)
        case _:
            return value
