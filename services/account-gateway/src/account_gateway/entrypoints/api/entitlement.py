"""``GET /api/pro/entitlement``: the read that every client makes at every start, and the most frequent request here.

Its handler is a lean one (atlas_kit.http.lean): it takes the request and asks for the caller itself.
"""

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from account_gateway.entrypoints.api.documentation import SIGNED_IN, json_answers
from account_gateway.entrypoints.api.errors import READ_UNAVAILABLE, UNAUTHENTICATED
from account_gateway.ports import ReadsEntitlements
from account_gateway.session.caller import RequireUser
from atlas_contracts.entitlements import Source, Status
from atlas_contracts.model import WireModel
from atlas_contracts.public_api import Entitlement, Success
from atlas_kit.http.answers import ok

ENTITLEMENT_PATH = "/api/pro/entitlement"
ENTITLEMENT_EXAMPLE = {
    "isPro": True,
    "status": "active",
    "source": "stripe",
    "restoredAt": "2026-11-23T10:00:00Z",
    "updatedAt": "2026-11-23T10:00:01.250Z",
}


class EntitlementNow(WireModel):
    """The five public keys of the service's answer, whose dates already have the public API's format."""

    is_pro: bool
    status: Status
    source: Source | None
    restored_at: str | None = Field(validation_alias="activeFrom")
    updated_at: str | None


def entitlement_routes(user: RequireUser, entitlements: ReadsEntitlements) -> APIRouter:
    router = APIRouter()

    @router.get(
        ENTITLEMENT_PATH,
        summary="Read the caller's entitlement",
        response_model=Success[Entitlement],
        responses=json_answers({"ok": True, "data": ENTITLEMENT_EXAMPLE}, UNAUTHENTICATED, READ_UNAVAILABLE),
        openapi_extra=SIGNED_IN,
    )
    async def read(request: Request) -> Response:
        """Whether the caller is Pro, since when, and by which source. Exactly these five keys."""
        return ok(await entitlements.read(await user(request), EntitlementNow))

    return router
