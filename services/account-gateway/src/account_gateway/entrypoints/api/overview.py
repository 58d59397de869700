"""``GET /api/billing/overview``: all that the account page shows."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from account_gateway.adapters.upstream import ReadsService
from account_gateway.entrypoints.api.entitlement import ENTITLEMENT_EXAMPLE
from account_gateway.entrypoints.api.errors import READ_UNAVAILABLE, UNAUTHENTICATED
from account_gateway.entrypoints.api.lean_route import LeanRoute, api_route
from account_gateway.session.caller import Sessions, require_user
from atlas_contracts.internal_api import BillingProfile, EntitlementOverview
from atlas_contracts.public_api import BillingOverview, Success
from atlas_kit.http.answers import ok
from atlas_kit.http.errors import AtlasError
from atlas_kit.process.logs import get_logger

log = get_logger()

OVERVIEW_PATH = "/api/billing/overview"


async def read_overview(user_id: str, entitlements: ReadsService, checkout: ReadsService) -> BillingOverview:
    """Entitlement, newest unfinished payment, and whether there is a portal to go to.

    Raises Unavailable without the entitlements service; without the checkout service there is no portal to go to.
    """
    known, can_manage = await asyncio.gather(
        entitlements.get("/internal/overview", user_id, EntitlementOverview), _can_manage_billing(user_id, checkout)
    )
    return BillingOverview(entitlement=known.entitlement.public(), payment=known.payment, can_manage_billing=can_manage)


def overview_routes(sessions: Sessions, entitlements: ReadsService, checkout: ReadsService) -> list[LeanRoute]:
    async def read(request: Request) -> Response:
        """The caller's entitlement, a payment that is processing or failed, and whether a billing portal exists."""
        return ok(await read_overview(await require_user(request, sessions), entitlements, checkout))

    payment = {"state": "processing", "since": "2026-11-23T09:58:00Z"}
    data = {"entitlement": ENTITLEMENT_EXAMPLE, "payment": payment, "canManageBilling": True}
    return [
        api_route(
            "GET",
            OVERVIEW_PATH,
            read,
            summary="Read what the account page shows",
            answer=Success[BillingOverview],
            example={"ok": True, "data": data},
            errors=(UNAUTHENTICATED, READ_UNAVAILABLE),
        )
    ]


async def _can_manage_billing(user_id: str, checkout: ReadsService) -> bool:
    try:
        return (await checkout.get("/internal/billing-profile", user_id, BillingProfile)).can_manage_billing
    except AtlasError as error:
        log.warning("billing.profile.unavailable", userId=user_id, error=type(error).__name__)
        return False
