"""``GET /api/billing/overview``: all that the account page shows."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends

from account_gateway.entrypoints.api.documentation import SIGNED_IN, json_answers
from account_gateway.entrypoints.api.entitlement import ENTITLEMENT_EXAMPLE
from account_gateway.entrypoints.api.errors import READ_UNAVAILABLE, UNAUTHENTICATED
from account_gateway.ports import ReadsService
from account_gateway.session.caller import RequireUser
from atlas_contracts.internal_api import BillingProfile, EntitlementOverview
from atlas_contracts.public_api import BillingOverview, Success
from atlas_kit.http.errors import AtlasError
from atlas_kit.process.logs import get_logger

log = get_logger()

OVERVIEW_PATH = "/api/billing/overview"
_EXAMPLE = {
    "ok": True,
    "data": {
        "entitlement": ENTITLEMENT_EXAMPLE,
        "payment": {"state": "processing", "since": "2026-11-23T09:58:00Z"},
        "canManageBilling": True,
    },
}


async def read_overview(user_id: str, entitlements: ReadsService, checkout: ReadsService) -> BillingOverview:
    """Entitlement, newest unfinished payment, and whether a billing portal can be opened.

    Raises Unavailable when the entitlements service doesn't answer. When the checkout service doesn't, no portal can be
    opened either, so ``can_manage_billing`` is False.
    """
    known, can_manage = await asyncio.gather(
        entitlements.get("/internal/overview", user_id, EntitlementOverview), _can_manage_billing(user_id, checkout)
    )
    return BillingOverview(entitlement=known.entitlement.public(), payment=known.payment, can_manage_billing=can_manage)


async def read_standing(user_id: str, entitlements: ReadsService) -> BillingOverview:
    """The same without asking the checkout service, for a page that shows no link to the portal. Raises Unavailable."""
    known = await entitlements.get("/internal/overview", user_id, EntitlementOverview)
    return BillingOverview(entitlement=known.entitlement.public(), payment=known.payment, can_manage_billing=False)


def overview_routes(user: RequireUser, entitlements: ReadsService, checkout: ReadsService) -> APIRouter:
    router = APIRouter()

    @router.get(
        OVERVIEW_PATH,
        summary="Read what the account page shows",
        responses=json_answers(_EXAMPLE, UNAUTHENTICATED, READ_UNAVAILABLE),
        openapi_extra=SIGNED_IN,
    )
    async def read(user_id: Annotated[str, Depends(user)]) -> Success[BillingOverview]:
        """The caller's entitlement, a payment that is processing or failed, and whether a billing portal exists."""
        return Success[BillingOverview](data=await read_overview(user_id, entitlements, checkout))

    return router


async def _can_manage_billing(user_id: str, checkout: ReadsService) -> bool:
    try:
        return (await checkout.get("/internal/billing-profile", user_id, BillingProfile)).can_manage_billing
    except AtlasError as error:
        log.warning("billing.profile.unavailable", userId=user_id, error=type(error).__name__)
        return False
