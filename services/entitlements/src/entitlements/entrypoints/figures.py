"""What ``/metrics`` reads when it is asked: the projector's lag, what waits for a person, the last audit."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Gauge

from atlas_kit.http.figures import Figure
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.outbox import outbox_age
from atlas_kit.storage.database import Database
from entitlements.adapters.projector_lag import ProjectorLag
from entitlements.use_cases.support_overview import last_audit

IN_REVIEW = Gauge("atlas_payments_in_review", "Payments that are paid and may not grant, by reason.", ["reason"])
AUDITED_AT = Gauge("atlas_audit_timestamp_seconds", "When the last audit of everybody was made; 0 before the first.")
CLEAN_AT = Gauge("atlas_audit_last_clean_timestamp_seconds", "When an audit last found nobody wrong; 0 before that.")
AUDIT_WRONG = Gauge("atlas_audit_wrong", "Differences that the last audit found, by kind.", ["kind"])
KINDS = ("paidNotPro", "proNotPaid", "secondPayments")


def figures(database: Database, broker: Broker) -> Sequence[Figure]:
    """Everything that is read for ``/metrics``."""

    async def reviews() -> None:
        async with database.transaction() as connection:
            cursor = await connection.execute(
                "SELECT review, count(*) FROM payments WHERE review IS NOT NULL GROUP BY review"
            )
            counts = await cursor.fetchall()
        IN_REVIEW.clear()
        for reason, count in counts:
            IN_REVIEW.labels(reason).set(count)

    async def audit() -> None:
        async with database.transaction() as connection:
            kept = await last_audit(connection)
        AUDITED_AT.set(kept.at.timestamp() if kept else 0)
        CLEAN_AT.set(kept.last_clean_at.timestamp() if kept and kept.last_clean_at else 0)
        told = kept.model_dump(by_alias=True) if kept else {}
        for kind in KINDS:
            AUDIT_WRONG.labels(kind).set(told.get(kind, 0))

    return [ProjectorLag(broker).read, outbox_age(database), reviews, audit]
