"""``GET /api/pro/entitlement``: the canonical read, and the hot path of the whole system."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from account_gateway.adapters.upstream import ReadsService
from account_gateway.entrypoints.api.errors import READ_UNAVAILABLE, UNAUTHENTICATED
from account_gateway.entrypoints.api.lean_route import LeanRoute, api_route
from account_gateway.session.caller import Sessions, require_user
from atlas_contracts.entitlements import Source, Status
from atlas_contracts.internal_api import EntitlementView
from atlas_contracts.model import WireModel
from atlas_contracts.public_api import Entitlement, Success
from atlas_kit.http.answers import ok

ENTITLEMENT_EXAMPLE = {
    "isPro": True,
    "status": "active",
    "source": "stripe",
    "restoredAt": "2026-11-23T10:00:00Z",
    "updatedAt": "2026-11-23T10:00:01.250Z",
}


class EntitlementNow(WireModel):
    """The five public keys out of the service's own answer: its dates are already as the public API writes them."""

    is_pro: bool
    status: Status
    source: Source | None
    restored_at: str | None = Field(validation_alias="activeFrom")
    updated_at: str | None


async def read_entitlement(user_id: str, entitlements: ReadsService) -> Entitlement:
    """What the entitlements service says now. Raises Unavailable when it doesn't answer."""
    return (await entitlements.get("/internal/entitlement", user_id, EntitlementView)).public()


def entitlement_route(sessions: Sessions, entitlements: ReadsService) -> LeanRoute:
    async def read(request: Request) -> Response:
        """Whether the caller is Pro, since when, and by which source. Exactly these five keys."""
        user_id = await require_user(request, sessions)
        return ok(await entitlements.get("/internal/entitlement", user_id, EntitlementNow))

    return api_route(
        "GET",
        "/api/pro/entitlement",
        read,
        summary="Read the caller's entitlement",
        answer=Success[Entitlement],
        example={"ok": True, "data": ENTITLEMENT_EXAMPLE},
        errors=(UNAUTHENTICATED, READ_UNAVAILABLE),
    )
