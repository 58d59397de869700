"""The routes that the gateway and the entitlements service ask: parse, call, answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ValidationError

from atlas_contracts import unavailable
from atlas_contracts.internal_api import (
    BillingProfile,
    ChargeResolution,
    CheckoutSessionRequest,
    CheckoutSessionResult,
)
from atlas_contracts.price_api import OfferedPrice
from atlas_contracts.public_api import ConfirmRequest, ConfirmResult, RedirectTarget, RestoreRequest, RestoreResult
from atlas_kit.http.doors import AdmittedCaller, GuardedRoute
from atlas_kit.http.errors import InvalidRequest
from checkout.entrypoints.failures import told_as
from checkout.use_cases.confirm import confirm
from checkout.use_cases.open_checkout import open_checkout
from checkout.use_cases.open_portal import Portal, open_portal
from checkout.use_cases.purchases import Purchases
from checkout.use_cases.read_billing_profile import Unsought, read_billing_profile
from checkout.use_cases.read_offers import read_offers
from checkout.use_cases.resolve_charge import resolve_charge
from checkout.use_cases.restore import restore
from checkout.use_cases.sale import Checkout
from checkout.use_cases.single_flight import SingleFlight

CHECKOUT_DOWN = unavailable.CHECKOUT
PORTAL_DOWN = unavailable.PORTAL
RESTORE_DOWN = unavailable.RESTORE
BILLING_DOWN = unavailable.BILLING

CHECKOUT_SECONDS = 20
PORTAL_SECONDS = 15
CONFIRM_SECONDS = 15
RESTORE_SECONDS = 25
PROFILE_SECONDS = 5
PRICE_SECONDS = 5

BodyT = TypeVar("BodyT", bound=BaseModel)


def body_of(model: type[BodyT], message: str) -> Callable[[Request], Awaitable[BodyT]]:
    """A dependency: the request's body as ``model``. Its own 400 has the public ``message`` of the user's route, where
    FastAPI's parsing has only the general one.
    """

    async def read(request: Request) -> BodyT:
        try:
            return model.model_validate_json(await request.body())
        except ValidationError as error:
            raise InvalidRequest(message) from error

    return read


RestoreBody = Annotated[RestoreRequest, Depends(body_of(RestoreRequest, "Invalid restore request."))]
ConfirmBody = Annotated[ConfirmRequest, Depends(body_of(ConfirmRequest, "Invalid checkout confirmation."))]


def internal_routes(checkout: Checkout, purchases: Purchases, portal: Portal) -> APIRouter:
    """``/internal/…``: selling, reading purchases again, the billing portal, for the user in the token."""
    router = APIRouter(prefix="/internal", route_class=GuardedRoute)
    _sale_routes(router, checkout)
    _purchase_routes(router, purchases)
    _billing_routes(router, portal)
    return router


def _sale_routes(router: APIRouter, checkout: Checkout) -> None:
    opening = SingleFlight[CheckoutSessionResult]()

    @router.post("/checkout-sessions")
    async def open_checkout_session(caller: AdmittedCaller, body: CheckoutSessionRequest) -> CheckoutSessionResult:
        async def work() -> CheckoutSessionResult:
            async with told_as(CHECKOUT_DOWN, seconds=CHECKOUT_SECONDS):
                return await open_checkout(checkout, caller.subject, body.source)

        return await opening.run(caller.subject, work)

    @router.get("/price")
    async def price() -> OfferedPrice:
        """Called by the gateway, not on behalf of a user: everybody sees the same price."""
        async with told_as(CHECKOUT_DOWN, seconds=PRICE_SECONDS):
            return await read_offers(checkout.stripe, checkout.price_id)


def _purchase_routes(router: APIRouter, purchases: Purchases) -> None:
    restoring = SingleFlight[RestoreResult]()

    @router.post("/restore")
    async def restore_purchases(caller: AdmittedCaller, body: RestoreBody) -> RestoreResult:
        async def work() -> RestoreResult:
            async with told_as(RESTORE_DOWN, seconds=RESTORE_SECONDS):
                return await restore(purchases, caller.subject, body.trigger)

        return await restoring.run_anew(caller.subject, work)

    @router.post("/confirm")
    async def confirm_checkout(caller: AdmittedCaller, body: ConfirmBody) -> ConfirmResult:
        async with told_as(CHECKOUT_DOWN, seconds=CONFIRM_SECONDS):
            return await confirm(purchases, caller.subject, body.checkout_session_id)

    @router.post("/charges/{charge_id}/resolve")
    async def resolve(charge_id: str) -> ChargeResolution:
        """Called by the entitlements service, not on behalf of a user."""
        async with told_as(BILLING_DOWN, seconds=CONFIRM_SECONDS):
            return await resolve_charge(purchases.stripe, purchases.broker, charge_id)


def _billing_routes(router: APIRouter, portal: Portal) -> None:
    unsought = Unsought()

    @router.post("/portal-sessions")
    async def open_portal_session(caller: AdmittedCaller) -> RedirectTarget:
        async with told_as(PORTAL_DOWN, seconds=PORTAL_SECONDS):
            return await open_portal(portal, caller.subject)

    @router.get("/billing-profile")
    async def billing_profile(caller: AdmittedCaller) -> BillingProfile:
        async with told_as(BILLING_DOWN, seconds=PROFILE_SECONDS):
            return await read_billing_profile(portal.customers, unsought, caller.subject)
