"""``POST /api/billing/stripe/confirm``: the return from Checkout, so that a buyer is Pro even without a webhook."""

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
from atlas_contracts.public_api import ConfirmRequest, ConfirmResult, Success
from atlas_kit.errors import InvalidRequest

CONFIRM_PATH = "/api/billing/stripe/confirm"
CONFIRM_SECONDS = 25.0
_EXAMPLE = {
    "outcome": "active",
    "entitlement": {
        "isPro": True,
        "status": "active",
        "source": "stripe",
        "updatedAt": "2026-11-23T10:00:01.250Z",
    },
}


def confirm_routes(sessions: Sessions, checkout: AsksService, limiter: UserLimiter, origin: str) -> list[LeanRoute]:
    async def confirm(request: Request) -> Response:
        """Re-reads one Checkout session of the caller's own at Stripe and applies what it finds. Safe to repeat.

        ``not_paid`` without ``reason``: Stripe says that nothing was paid. With it, money or a coupon was there:
        refunded, chargeback_lost, free_checkout, revoked_by_operator. ``needs_review``: paid, and it may not grant.
        """
        require_same_origin(request.headers, origin)
        user_id = await require_user(request, sessions)
        headers = await limiter.hit(user_id)
        wanted = await body_as(ConfirmRequest, request, InvalidRequest(api_errors.INVALID_CONFIRM))
        result = await checkout.post("/internal/confirm", user_id, ConfirmResult, wanted, seconds=CONFIRM_SECONDS)
        return with_reason(result, headers)

    return [
        api_route(
            "POST",
            CONFIRM_PATH,
            unavailable_as(api_errors.CHECKOUT_UNAVAILABLE, confirm),
            summary="Confirm the return from Checkout",
            answer=Success[ConfirmResult],
            example={"ok": True, "data": _EXAMPLE},
            body=ConfirmRequest,
            body_example={"checkoutSessionId": "cs_test_a1"},
            errors=(
                api_errors.invalid(api_errors.INVALID_CONFIRM),
                api_errors.UNAUTHENTICATED,
                api_errors.FORBIDDEN,
                api_errors.NO_SESSION,
                api_errors.TOO_MANY,
                api_errors.BODY_TOO_LARGE,
                api_errors.unavailable(api_errors.CHECKOUT_UNAVAILABLE),
            ),
        )
    ]
