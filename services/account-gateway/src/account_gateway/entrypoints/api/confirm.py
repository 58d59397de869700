"""``POST /api/billing/stripe/confirm``: the return from Checkout, so that a buyer is Pro even without a webhook."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from account_gateway.entrypoints.api import errors as api_errors
from account_gateway.entrypoints.api.documentation import SIGNED_IN, json_body
from account_gateway.entrypoints.api.guards import Guard, body_as
from account_gateway.entrypoints.api.rate_limits import LimitedUser, RequireLimitedUser
from account_gateway.entrypoints.api.reasons import outcome_answers, with_reason
from account_gateway.entrypoints.api.unavailable import unavailable_as
from account_gateway.ports import AsksService
from atlas_contracts import unavailable
from atlas_contracts.public_api import ConfirmRequest, ConfirmResult, Success

CONFIRM_PATH = "/api/billing/stripe/confirm"
CONFIRM_SECONDS = 25.0


def confirm_routes(user: RequireLimitedUser, checkout: AsksService, same_origin: Guard) -> APIRouter:
    router = APIRouter()

    @router.post(
        CONFIRM_PATH,
        summary="Confirm the return from Checkout",
        response_model=Success[ConfirmResult],
        responses=outcome_answers(
            "active", api_errors.INVALID_CONFIRM, api_errors.NO_SESSION, unavailable=unavailable.CHECKOUT
        ),
        openapi_extra=SIGNED_IN | json_body(ConfirmRequest, {"checkoutSessionId": "cs_test_a1"}),
        dependencies=[unavailable_as(unavailable.CHECKOUT), Depends(same_origin)],
    )
    async def confirm(
        caller: Annotated[LimitedUser, Depends(user)],
        wanted: Annotated[ConfirmRequest, Depends(body_as(ConfirmRequest, api_errors.INVALID_CONFIRM))],
    ) -> Response:
        """Re-reads one Checkout session of the caller's own at Stripe and applies what it finds. Safe to repeat.

        ``not_paid`` without ``reason``: Stripe says that nothing was paid. With it, money or a coupon was there:
        refunded, chargeback_lost, free_checkout, revoked_by_operator. ``needs_review``: paid, and it may not grant.
        """
        result = await checkout.post(
            "/internal/confirm", caller.user_id, ConfirmResult, wanted, seconds=CONFIRM_SECONDS
        )
        return with_reason(result, caller.headers)

    return router
