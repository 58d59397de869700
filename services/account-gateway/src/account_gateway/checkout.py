"""``/api/billing/stripe/checkout``: to the hosted Checkout page, by link (GET) or by script (POST)."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from account_gateway import api_errors
from account_gateway.guards import body_as, require_same_origin
from account_gateway.lean_route import LeanRoute, api_route
from account_gateway.navigation import navigation, see_other
from account_gateway.rate_limits import UserLimiter
from account_gateway.session.caller import Sessions, require_user
from account_gateway.upstream import AsksService, unavailable_as
from atlas_contracts.internal_api import CheckoutSessionRequest, CheckoutSessionResult
from atlas_contracts.public_api import CheckoutRequest, RedirectTarget, Success
from atlas_kit.answers import ok
from atlas_kit.errors import InvalidRequest
from atlas_kit.logs import get_logger

log = get_logger()

CHECKOUT_PATH = "/api/billing/stripe/checkout"
SOURCES = ("direct", "hero", "comparison", "faq")
CHECKOUT_SECONDS = 25.0
"""The checkout service may ask Stripe several times, each with its own time-out of 10 s."""
_SESSION_ID = re.compile(r"cs_[A-Za-z0-9_]{1,250}")
_ERRORS = (
    api_errors.PRO_ALREADY,
    api_errors.PAYING_ALREADY,
    api_errors.PAYMENT_IN_REVIEW,
    api_errors.UNAUTHENTICATED,
    api_errors.FORBIDDEN,
    api_errors.TOO_MANY,
    api_errors.unavailable(api_errors.CHECKOUT_UNAVAILABLE),
)


def source_of(value: str | None) -> str:
    """Which button the buyer came from; whatever is unknown counts as direct."""
    source = (value or "").strip().lower()
    return source if source in SOURCES else "direct"


async def start_checkout(user_id: str, source: str, checkout: AsksService) -> str:
    """The hosted page's URL: of the user's open session, or of a new one. Raises what the checkout service says."""
    session = await checkout.post(
        "/internal/checkout-sessions",
        user_id,
        CheckoutSessionResult,
        CheckoutSessionRequest(source=source),
        seconds=CHECKOUT_SECONDS,
    )
    log.info(
        "billing.checkout.redirect",
        userId=user_id,
        source=source,
        checkoutSessionId=session.checkout_session_id,
        reused=session.reused,
    )
    return session.url


def log_checkout_return(request: Request, user_id: str | None) -> None:
    """The buyer is back from the hosted page (the account page calls this; it logs nothing on other visits)."""
    outcome = request.query_params.get("checkout")
    if outcome not in ("success", "cancel"):
        return
    session_id = request.query_params.get("checkout_session_id", "")
    log.info(
        "billing.checkout.return",
        outcome=outcome,
        userId=user_id,
        source=source_of(request.query_params.get("source")),
        checkoutSessionId=session_id if _SESSION_ID.fullmatch(session_id) else None,
    )


def checkout_routes(sessions: Sessions, checkout: AsksService, limiter: UserLimiter, origin: str) -> list[LeanRoute]:
    async def open_page(request: Request) -> Response:
        """Sends the browser to the hosted Checkout page. Repeating it while a session is open leads to the same page.

        A browser (``Accept: text/html``) that meets an error goes to ``/account?billing_error=<code>``.
        """
        user_id = await require_user(request, sessions)
        headers = await limiter.hit(user_id)
        source = source_of(request.query_params.get("source"))
        return see_other(await start_checkout(user_id, source, checkout), headers)

    async def create(request: Request) -> Response:
        """The hosted Checkout page's URL, for a client that navigates by itself."""
        require_same_origin(request.headers, origin)
        user_id = await require_user(request, sessions)
        headers = await limiter.hit(user_id)
        source = source_of((await body_as(CheckoutRequest, request, InvalidRequest())).source)
        answer = ok(RedirectTarget(url=await start_checkout(user_id, source, checkout)))
        answer.headers.update(headers)
        return answer

    parameter = {
        "name": "source",
        "in": "query",
        "required": False,
        "description": "Which button it was (case-insensitive; anything unknown counts as direct).",
        "schema": {"type": "string", "enum": list(SOURCES), "default": "direct"},
    }
    return [
        api_route(
            "GET",
            CHECKOUT_PATH,
            navigation(unavailable_as(api_errors.CHECKOUT_UNAVAILABLE, open_page)),
            summary="Go to Checkout",
            status=303,
            parameters=(parameter,),
            errors=_ERRORS,
        ),
        api_route(
            "POST",
            CHECKOUT_PATH,
            unavailable_as(api_errors.CHECKOUT_UNAVAILABLE, create),
            summary="Get Checkout's URL",
            answer=Success[RedirectTarget],
            example={"ok": True, "data": {"url": "https://checkout.stripe.com/c/pay/cs_test_a1"}},
            body=CheckoutRequest,
            body_example={"source": "hero"},
            errors=(*_ERRORS, api_errors.BAD_REQUEST, api_errors.BODY_TOO_LARGE),
        ),
    ]
