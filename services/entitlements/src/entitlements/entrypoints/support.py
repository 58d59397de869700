"""The routes that the support desk asks, with an operator's token: revokes that wait, what to look at, audits."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from atlas_contracts.support import AuditDone, DecidedBy, RevokeWanted, WaitingRevoke, WaitingRevokes
from atlas_contracts.user_id import UserId
from atlas_kit.http.doors import GuardedRoute
from atlas_kit.storage.database import Database
from entitlements.domain.policy import Policy
from entitlements.use_cases.support_overview import last_audit, note_audit, second_payments
from entitlements.use_cases.waiting_revokes import approve_revoke, ask_for_revoke, waiting_revokes, withdraw_revoke

WaitingId = Annotated[str, Path(pattern=r"^[a-z0-9]{8,64}$")]


def support_routes(database: Database, policy: Policy) -> APIRouter:
    """``/operator/support``, ``/operator/audits`` and ``/operator/waiting-revokes``."""
    router = APIRouter(prefix="/operator", route_class=GuardedRoute)
    _waiting_routes(router, database)

    @router.get("/support")
    async def look() -> dict[str, Any]:
        """``secondPayments``, and ``audit``: the last one in numbers, or null."""
        async with database.transaction() as connection:
            audit = await last_audit(connection)
            told = audit.model_dump(mode="json", by_alias=True) if audit else None
            return {"secondPayments": await second_payments(connection, policy), "audit": told}

    @router.post("/audits")
    async def keep_audit(done: AuditDone) -> dict[str, bool]:
        async with database.transaction() as connection:
            await note_audit(connection, done)
        return {"kept": True}

    return router


def _waiting_routes(router: APIRouter, database: Database) -> None:
    @router.get("/waiting-revokes")
    async def list_waiting(user: UserId | None = None) -> WaitingRevokes:
        async with database.transaction() as connection:
            return WaitingRevokes(revokes=await waiting_revokes(connection, user))

    @router.post("/waiting-revokes")
    async def ask(wanted: RevokeWanted) -> WaitingRevoke:
        """Ask for a revoke; the same id again, or one that waits for the same already, is answered as it is."""
        async with database.transaction() as connection:
            return await ask_for_revoke(connection, wanted)

    @router.post("/waiting-revokes/{waiting_id}/approve")
    async def approve(waiting_id: WaitingId, decided: DecidedBy) -> WaitingRevoke:
        """Approve it: whoever asks publishes it then. 403 for who asked for it, 409 once it is done or withdrawn."""
        async with database.transaction() as connection:
            return await approve_revoke(connection, waiting_id, decided.by)

    @router.post("/waiting-revokes/{waiting_id}/withdraw")
    async def withdraw(waiting_id: WaitingId, decided: DecidedBy) -> WaitingRevoke:
        async with database.transaction() as connection:
            return await withdraw_revoke(connection, waiting_id, decided.by)
