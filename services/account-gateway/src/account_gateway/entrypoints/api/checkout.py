"""``/api/billing/stripe/checkout``: to the hosted Checkout page, by link (GET) or by script (POST)."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from account_gateway.entrypoints.api import errors as api_errors
from account_gateway.entrypoints.api.documentation import (
    SEE_OTHER,
    SIGNED_IN,
    json_answers,
    json_body,
    see_other_answers,
)
from account_gateway.entrypoints.api.guards import Guard, body_as
from account_gateway.entrypoints.api.navigation import link, see_other
from account_gateway.entrypoints.api.rate_limits import LimitedUser, RequireLimitedUser
from account_gateway.entrypoints.api.unavailable import unavailable_as
from account_gateway.ports import AsksService
from atlas_contracts import unavailable
from atlas_contracts.internal_api import CheckoutSessionRequest, CheckoutSessionResult
from atlas_contracts.public_api import CheckoutRequest, RedirectTarget, Success
from atlas_kit.http.answers import ok
from atlas_kit.process.logs import get_logger

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
    api_errors.unavailable_example(unavailable.CHECKOUT),
)

_EXAMPLE = {"ok": True, "data": {"url": "https://checkout.stripe.com/c/pay/cs_test_a1"}}
_SOURCE_PARAMETER: dict[str, Any] = {
    "parameters": [
        {
            "name": "source",
            "in": "query",
            "required": False,
            "description": "Which button it was (case-insensitive; anything unknown counts as direct).",
            "schema": {"type": "string", "enum": list(SOURCES), "default": "direct"},
        }
    ]
}


def source_of(value: str | None) -> str:
    """The page or button that the buyer came from; an unknown value counts as ``direct``."""
    source = (value or "").strip().lower()
    return source if source in SOURCES else "direct"


async def start_checkout(user_id: str, source: str, checkout: AsksService) -> str:
    """The hosted page's URL, of the user's open session or of a new one. Raises the checkout service's error."""
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


def checkout_routes(user: RequireLimitedUser, checkout: AsksService, same_origin: Guard) -> APIRouter:
    router = APIRouter()

    @router.get(
        CHECKOUT_PATH,
        summary="Go to Checkout",
        status_code=SEE_OTHER,
        response_class=RedirectResponse,
        responses=see_other_answers(*_ERRORS),
        openapi_extra=_SOURCE_PARAMETER | SIGNED_IN,
        dependencies=link(unavailable.CHECKOUT),
    )
    async def open_page(request: Request, caller: Annotated[LimitedUser, Depends(user)]) -> Response:
        """Sends the browser to the hosted Checkout page. Repeating it while a session is open leads to the same page.

        A browser (``Accept: text/html``) that meets an error goes to ``/account?billing_error=<code>``.
        """
        source = source_of(request.query_params.get("source"))
        return see_other(await start_checkout(caller.user_id, source, checkout), caller.headers)

    @router.post(
        CHECKOUT_PATH,
        summary="Get Checkout's URL",
        response_model=Success[RedirectTarget],
        responses=json_answers(_EXAMPLE, *_ERRORS, api_errors.BAD_REQUEST, api_errors.BODY_TOO_LARGE),
        openapi_extra=SIGNED_IN | json_body(CheckoutRequest, {"source": "hero"}),
        dependencies=[unavailable_as(unavailable.CHECKOUT), Depends(same_origin)],
    )
    async def create(
        caller: Annotated[LimitedUser, Depends(user)],
        wanted: Annotated[CheckoutRequest, Depends(body_as(CheckoutRequest))],
    ) -> Response:
        """The hosted Checkout page's URL, for a client that navigates by itself."""
        url = await start_checkout(caller.user_id, source_of(wanted.source), checkout)
        return ok(RedirectTarget(url=url), caller.headers)

    return router
