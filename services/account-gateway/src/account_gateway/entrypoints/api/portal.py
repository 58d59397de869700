"""``/api/billing/stripe/portal``: to the Stripe billing portal, by link (GET) or by script (POST)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from account_gateway.adapters.upstream import AsksService, unavailable_as
from account_gateway.entrypoints.api import errors as api_errors
from account_gateway.entrypoints.api.guards import json_body, require_same_origin
from account_gateway.entrypoints.api.lean_route import LeanRoute, api_route
from account_gateway.entrypoints.api.navigation import navigation, see_other
from account_gateway.entrypoints.api.rate_limits import UserLimiter
from account_gateway.session.caller import Sessions, require_user
from atlas_contracts.public_api import RedirectTarget, Success
from atlas_kit.http.answers import ok
from atlas_kit.process.logs import get_logger

log = get_logger()

PORTAL_PATH = "/api/billing/stripe/portal"
PORTAL_SECONDS = 25.0
_ERRORS = (
    api_errors.NO_HISTORY,
    api_errors.UNAUTHENTICATED,
    api_errors.FORBIDDEN,
    api_errors.TOO_MANY,
    api_errors.unavailable(api_errors.PORTAL_UNAVAILABLE),
)


async def open_portal(user_id: str, checkout: AsksService) -> str:
    """The portal's URL. Raises NotFound for a user without billing history, Unavailable."""
    target = await checkout.post("/internal/portal-sessions", user_id, RedirectTarget, seconds=PORTAL_SECONDS)
    log.info("billing.portal.redirect", userId=user_id)
    return target.url


def portal_routes(sessions: Sessions, checkout: AsksService, limiter: UserLimiter, origin: str) -> list[LeanRoute]:
    async def open_page(request: Request) -> Response:
        """Sends the browser to the Stripe billing portal, where invoices are.

        A browser (``Accept: text/html``) that meets an error goes to ``/account?billing_error=<code>``.
        """
        user_id = await require_user(request, sessions)
        headers = await limiter.hit(user_id)
        return see_other(await open_portal(user_id, checkout), headers)

    async def create(request: Request) -> Response:
        """The billing portal's URL, for a client that navigates by itself."""
        require_same_origin(request.headers, origin)
        user_id = await require_user(request, sessions)
        headers = await limiter.hit(user_id)
        await json_body(request)
        answer = ok(RedirectTarget(url=await open_portal(user_id, checkout)))
        answer.headers.update(headers)
        return answer

    return [
        api_route(
            "GET",
            PORTAL_PATH,
            navigation(unavailable_as(api_errors.PORTAL_UNAVAILABLE, open_page)),
            summary="Go to the billing portal",
            status=303,
            errors=_ERRORS,
        ),
        api_route(
            "POST",
            PORTAL_PATH,
            unavailable_as(api_errors.PORTAL_UNAVAILABLE, create),
            summary="Get the billing portal's URL",
            answer=Success[RedirectTarget],
            example={"ok": True, "data": {"url": "https://billing.stripe.com/p/session/test_1"}},
            errors=(*_ERRORS, api_errors.BAD_REQUEST, api_errors.BODY_TOO_LARGE),
        ),
    ]
