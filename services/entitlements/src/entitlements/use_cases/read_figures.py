"""Figures for ``atlas doctor``: how much the ledger holds, and whether announcements are waiting."""

from __future__ import annotations

from typing import Any

from atlas_kit.storage.database import Connection

_FIGURES = """
SELECT (SELECT count(*) FROM ledger), (SELECT max(seq) FROM ledger), (SELECT count(*) FROM outbox),
       (SELECT extract(epoch FROM now() - min(created_at))::float8 FROM outbox),
       (SELECT version_num FROM alembic_version), (SELECT count(*) FROM entitlements WHERE is_pro)
"""
_NAMES = ("ledgerFacts", "ledgerSeq", "outboxBacklog", "outboxAgeSeconds", "migration", "pro")


async def figures(connection: Connection) -> dict[str, Any]:
    """Facts and last sequence of the ledger, events that wait in the outbox, the age of the oldest (seconds; None where
    none waits), the database's migration, and how many users are Pro.
    """
    cursor = await connection.execute(_FIGURES)
    row = await cursor.fetchone()
    return dict(zip(_NAMES, row or (), strict=False))
