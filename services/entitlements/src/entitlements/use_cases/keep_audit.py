"""Keeping the result of the last audit, which the operator's command reports."""

from __future__ import annotations

from datetime import datetime

from psycopg.types.json import Jsonb

from atlas_contracts.auditing import AuditReport, KeptAudit
from atlas_kit.storage.database import Connection

_KEEP = """
INSERT INTO last_audit (at, clean_at, report) VALUES (%(at)s, %(clean_at)s, %(report)s)
ON CONFLICT (only_row) DO UPDATE SET at = excluded.at, report = excluded.report,
    clean_at = coalesce(excluded.clean_at, last_audit.clean_at)
WHERE last_audit.at <= excluded.at
"""


async def keep_audit(connection: Connection, report: AuditReport, at: datetime) -> None:
    """Keep what an audit found at ``at``; an older one than the kept one changes nothing."""
    told = {"at": at, "clean_at": at if report.clean else None, "report": Jsonb(report.model_dump(by_alias=True))}
    await connection.execute(_KEEP, told)


async def last_audit(connection: Connection) -> KeptAudit | None:
    """The last audit; None before the first."""
    cursor = await connection.execute("SELECT at, clean_at, report FROM last_audit")
    row = await cursor.fetchone()
    if row is None:
        return None
    return KeptAudit(at=row[0], last_clean_at=row[1], report=AuditReport.model_validate(row[2]))
