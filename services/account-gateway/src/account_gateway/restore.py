"""``POST /api/pro/restore``: the server re-reads what was bought; nothing is taken from the client."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from account_gateway import api_errors
from account_gateway.guards import body_as, require_same_origin
from account_gateway.lean_route import LeanRoute, api_route
from account_gateway.rate_limits import UserLimiter
from account_gateway.reasons import with_reason
from account_gateway.session.caller import Sessions, require_user
from account_gateway.upstream import AsksService, unavailable_as
from atlas_contracts.public_api import RestoreRequest, RestoreResult, Success
from atlas_kit.errors import InvalidRequest

RESTORE_PATH = "/api/pro/restore"
RESTORE_SECONDS = 45.0
"""Restore reads everything a customer ever bought, page by page, and waits for the projection."""
_EXAMPLE = {
    "outcome": "restored",
    "entitlement": {
        "isPro": True,
        "status": "active",
        "source": "stripe",
        "updatedAt": "2026-11-23T10:00:01.250Z",
    },
}


def restore_routes(sessions: Sessions, checkout: AsksService, limiter: UserLimiter, origin: str) -> list[LeanRoute]:
    async def restore(request: Request) -> Response:
        """Looks for completed purchases of the caller at Stripe and applies what it finds. Safe to repeat.

        ``reason`` is there only when the outcome is not_eligible.
        """
        require_same_origin(request.headers, origin)
        user_id = await require_user(request, sessions)
        headers = await limiter.hit(user_id)
        wanted = await body_as(RestoreRequest, request, InvalidRequest(api_errors.INVALID_RESTORE))
        result = await checkout.post("/internal/restore", user_id, RestoreResult, wanted, seconds=RESTORE_SECONDS)
        return with_reason(result, headers)

    return [
        api_route(
            "POST",
            RESTORE_PATH,
            unavailable_as(api_errors.RESTORE_UNAVAILABLE, restore),
            summary="Restore a purchase",
            answer=Success[RestoreResult],
            example={"ok": True, "data": _EXAMPLE},
            body=RestoreRequest,
            body_example={"trigger": "account"},
            errors=(
                api_errors.invalid(api_errors.INVALID_RESTORE),
                api_errors.UNAUTHENTICATED,
                api_errors.FORBIDDEN,
                api_errors.TOO_MANY,
                api_errors.BODY_TOO_LARGE,
                api_errors.unavailable(api_errors.RESTORE_UNAVAILABLE),
            ),
        )
    ]
