"""Grants that another app knows, as facts: ``./atlas import project-atlas``."""

from __future__ import annotations

from atlas_contracts.billing import Adjustment, BillingData, BillingType, ImportedGrant, Provider, Via
from support.facts import Told, when


def imported(
    user: str, began: int, ended: int | None = None, *, as_of: int | None = None, source: Provider = Provider.MANUAL
) -> Told:
    """A grant as that app has it: since when, until when, and when it last changed what it says."""
    as_of = max(began, ended or began) if as_of is None else as_of
    key = f"import:{user}:{source}:{began}:{ended}:{as_of}"
    kind = BillingType.ENTITLEMENT_GRANTED if ended is None else BillingType.ENTITLEMENT_REVOKED
    told = ImportedGrant(
        origin="project-atlas", active_from=when(began), active_until=None if ended is None else when(ended), as_of=when(as_of)
    )
    return Told(
        BillingData(
            event_id=f"{source}:{key}:{kind}",
            provider=source,
            provider_event_id=key,
            user_id=user,
            occurred_at=when(began if ended is None else ended),
            received_at=when(as_of),
            via=Via.IMPORT,
            payload_hash="sha256:test",
            signature_verified=False,
            schema_version=3,
            adjustment=Adjustment(action="grant" if ended is None else "revoke", reason="imported", imported=told),
        )
    )
