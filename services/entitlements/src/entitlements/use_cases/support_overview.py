"""What a support person should look at, beside the reviews: second payments, and how the last audit ended."""

from __future__ import annotations

from typing import Any

from atlas_contracts.support import AuditDone, LastAudit
from atlas_kit.storage.database import Connection
from entitlements.domain.policy import Policy
from entitlements.use_cases.holders import holders_named

MOST = 200
"""Buyers with several payments that are looked at: those whose newest payment is the newest."""

_SEVERAL = """
SELECT p.user_id FROM payments p JOIN entitlements e ON e.user_id = p.user_id AND e.is_pro
WHERE p.provider <> 'manual' AND p.user_id IS NOT NULL
GROUP BY p.user_id HAVING count(*) > 1 ORDER BY max(p.id) DESC LIMIT %s
"""
_LAST = """
SELECT at, told_by, users, paid_not_pro, pro_not_paid, second_payments,
    (SELECT max(at) FROM audits WHERE paid_not_pro + pro_not_paid + second_payments = 0)
FROM audits ORDER BY id DESC LIMIT 1
"""


async def second_payments(connection: Connection, policy: Policy) -> list[dict[str, Any]]:
    """Every payment that grants beside an earlier one of the same buyer: what is paid twice and should be refunded."""
    cursor = await connection.execute(_SEVERAL, (MOST,))
    users = [row[0] for row in await cursor.fetchall()]
    found = []
    for holder in await holders_named(connection, users, policy):
        granting = [payment for payment in holder["payments"] if payment["grants"] is True]
        granting.sort(key=lambda payment: (str(payment["since"]), str(payment["id"])))
        found += [{"userId": holder["userId"], **payment} for payment in granting[1:]]
    return found


async def note_audit(connection: Connection, done: AuditDone) -> None:
    """Keep the result of an audit of everybody."""
    await connection.execute(
        "INSERT INTO audits (told_by, users, paid_not_pro, pro_not_paid, second_payments) VALUES (%s, %s, %s, %s, %s)",
        (done.by, done.users, done.paid_not_pro, done.pro_not_paid, done.second_payments),
    )


async def last_audit(connection: Connection) -> LastAudit | None:
    """The result of the last audit; None before the first."""
    cursor = await connection.execute(_LAST)
    row = await cursor.fetchone()
    if row is None:
        return None
    at, by, users, paid_not_pro, pro_not_paid, second, clean_at = row
    return LastAudit(
        at=at, by=by, users=users, paid_not_pro=paid_not_pro, pro_not_paid=pro_not_paid, second_payments=second,
        last_clean_at=clean_at,
    )  # fmt: skip
