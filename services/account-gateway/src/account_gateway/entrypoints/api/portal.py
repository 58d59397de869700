"""``/api/billing/stripe/portal``: to the Stripe billing portal, by link (GET) or by script (POST)."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import RedirectResponse, Response

from account_gateway.entrypoints.api import errors as api_errors
from account_gateway.entrypoints.api.documentation import SEE_OTHER, SIGNED_IN, json_answers, see_other_answers
from account_gateway.entrypoints.api.guards import Guard, any_json
from account_gateway.entrypoints.api.navigation import link, see_other
from account_gateway.entrypoints.api.rate_limits import LimitedUser, RequireLimitedUser
from account_gateway.entrypoints.api.unavailable import unavailable_as
from account_gateway.ports import AsksService
from atlas_contracts import unavailable
from atlas_contracts.public_api import RedirectTarget, Success
from atlas_kit.http.answers import ok
from atlas_kit.process.logs import get_logger

log = get_logger()

PORTAL_PATH = "/api/billing/stripe/portal"
PORTAL_SECONDS = 25.0
"""The checkout service may ask Stripe several times, each with its own time-out of 10 s."""
_EXAMPLE = {"ok": True, "data": {"url": "https://billing.stripe.com/p/session/test_1"}}
_ERRORS = (
    api_errors.NO_HISTORY,
    api_errors.UNAUTHENTICATED,
    api_errors.FORBIDDEN,
    api_errors.TOO_MANY,
    api_errors.unavailable_example(unavailable.PORTAL),
)


async def open_portal(user_id: str, checkout: AsksService) -> str:
    """The portal's URL. Raises NotFound for a user without billing history, Unavailable."""
    target = await checkout.post("/internal/portal-sessions", user_id, RedirectTarget, seconds=PORTAL_SECONDS)
    log.info("billing.portal.redirect", userId=user_id)
    return target.url


def portal_routes(user: RequireLimitedUser, checkout: AsksService, same_origin: Guard) -> APIRouter:
    router = APIRouter()

    @router.get(
        PORTAL_PATH,
        summary="Go to the billing portal",
        status_code=SEE_OTHER,
        response_class=RedirectResponse,
        responses=see_other_answers(*_ERRORS),
        openapi_extra=SIGNED_IN,
        dependencies=link(unavailable.PORTAL),
    )
    async def open_page(caller: Annotated[LimitedUser, Depends(user)]) -> Response:
        """Sends the browser to the Stripe billing portal, where invoices are.

        A browser (``Accept: text/html``) that meets an error goes to ``/account?billing_error=<code>``.
        """
        return see_other(await open_portal(caller.user_id, checkout), caller.headers)

    @router.post(
        PORTAL_PATH,
        summary="Get the billing portal's URL",
        response_model=Success[RedirectTarget],
        responses=json_answers(_EXAMPLE, *_ERRORS, api_errors.BAD_REQUEST, api_errors.BODY_TOO_LARGE),
        openapi_extra=SIGNED_IN,
        dependencies=[unavailable_as(unavailable.PORTAL), Depends(same_origin)],
    )
    async def create(
        caller: Annotated[LimitedUser, Depends(user)], _body: Annotated[None, Depends(any_json)]
    ) -> Response:
        """The billing portal's URL, for a client that navigates by itself."""
        return ok(RedirectTarget(url=await open_portal(caller.user_id, checkout)), caller.headers)

    return router
