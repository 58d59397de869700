"""``POST /api/pro/restore``: the server re-reads what was bought; nothing is taken from the client."""

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
from atlas_contracts.public_api import RestoreRequest, RestoreResult, Success

RESTORE_PATH = "/api/pro/restore"
RESTORE_SECONDS = 45.0
"""Restore reads everything a customer ever bought, page by page, and waits for the projection."""


def restore_routes(user: RequireLimitedUser, checkout: AsksService, same_origin: Guard) -> APIRouter:
    router = APIRouter()

    @router.post(
        RESTORE_PATH,
        summary="Restore a purchase",
        response_model=Success[RestoreResult],
        responses=outcome_answers("restored", api_errors.INVALID_RESTORE, unavailable=unavailable.RESTORE),
        openapi_extra=SIGNED_IN | json_body(RestoreRequest, {"trigger": "account"}),
        dependencies=[unavailable_as(unavailable.RESTORE), Depends(same_origin)],
    )
    async def restore(
        caller: Annotated[LimitedUser, Depends(user)],
        wanted: Annotated[RestoreRequest, Depends(body_as(RestoreRequest, api_errors.INVALID_RESTORE))],
    ) -> Response:
        """Looks for completed purchases of the caller at Stripe and applies what it finds. Safe to repeat.

        ``reason`` is there only when the outcome is not_eligible.
        """
        result = await checkout.post(
            "/internal/restore", caller.user_id, RestoreResult, wanted, seconds=RESTORE_SECONDS
        )
        return with_reason(result, caller.headers)

    return router
