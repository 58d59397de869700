"""The routes that the gateway and the entitlements service ask: parse, call, answer."""

from __future__ import annotations

from typing import TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from atlas_contracts import unavailable
from atlas_contracts.internal_api import (
    CheckoutSessionRequest,
    CheckoutSessionResult,
)
from atlas_contracts.public_api import ConfirmRequest, RestoreRequest, RestoreResult
from atlas_kit.http.answers import JSON
from atlas_kit.http.doors import GuardedRoute, caller_of
from atlas_kit.http.errors import InvalidRequest
from checkout.entrypoints.failures import told_as
from checkout.use_cases.billing_profile import billing_profile
from checkout.use_cases.confirm import confirm
from checkout.use_cases.open_checkout import open_checkout
from checkout.use_cases.open_portal import open_portal
from checkout.use_cases.resolve_charge import resolve_charge
from checkout.use_cases.restore import restore
from checkout.use_cases.services import Services, services_of

router = APIRouter(route_class=GuardedRoute)

CHECKOUT_DOWN = unavailable.CHECKOUT
PORTAL_DOWN = unavailable.PORTAL
RESTORE_DOWN = unavailable.RESTORE
BILLING_DOWN = unavailable.BILLING

CHECKOUT_SECONDS = 20
PORTAL_SECONDS = 15
CONFIRM_SECONDS = 15
RESTORE_SECONDS = 25
PROFILE_SECONDS = 5

BodyT = TypeVar("BodyT", bound=BaseModel)


@router.post("/internal/checkout-sessions")
async def open_checkout_session(request: Request) -> Response:
    services, user_id = _asked(request)
    body = await _body(request, CheckoutSessionRequest)

    async def work() -> CheckoutSessionResult:
        async with told_as(CHECKOUT_DOWN, seconds=CHECKOUT_SECONDS):
            return await open_checkout(services.checkout, user_id, body.source)

    return _json(await services.opening.run(user_id, work))


@router.post("/internal/portal-sessions")
async def open_portal_session(request: Request) -> Response:
    services, user_id = _asked(request)
    async with told_as(PORTAL_DOWN, seconds=PORTAL_SECONDS):
        return _json(await open_portal(services.portal, user_id))


@router.get("/internal/billing-profile")
async def read_billing_profile(request: Request) -> Response:
    services, user_id = _asked(request)
    async with told_as(BILLING_DOWN, seconds=PROFILE_SECONDS):
        return _json(await billing_profile(services.customers, services.nobody, user_id))


@router.post("/internal/restore")
async def restore_purchases(request: Request) -> Response:
    services, user_id = _asked(request)
    body = await _body(request, RestoreRequest, "Invalid restore request.")

    async def work() -> RestoreResult:
        async with told_as(RESTORE_DOWN, seconds=RESTORE_SECONDS):
            return await restore(services.restore, user_id, body.trigger)

    return _json(await services.restoring.run(user_id, work))


@router.post("/internal/confirm")
async def confirm_checkout(request: Request) -> Response:
    services, user_id = _asked(request)
    body = await _body(request, ConfirmRequest, "Invalid checkout confirmation.")
    async with told_as(CHECKOUT_DOWN, seconds=CONFIRM_SECONDS):
        return _json(await confirm(services.confirm, user_id, body.checkout_session_id))


@router.post("/internal/charges/{charge_id}/resolve")
async def resolve(request: Request, charge_id: str) -> Response:
    services = services_of(request)
    async with told_as(BILLING_DOWN, seconds=CONFIRM_SECONDS):
        return _json(await resolve_charge(services.stripe, services.broker, charge_id))


def _asked(request: Request) -> tuple[Services, str]:
    """What a route works with, and the user in whose name it is asked."""
    return services_of(request), caller_of(request).subject


async def _body(request: Request, model: type[BodyT], message: str | None = None) -> BodyT:
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise InvalidRequest(message) from error


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(by_alias=True), media_type=JSON)
