"""``GET /pro/upgrade``: one link for everybody, signed in or not."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from account_gateway.entrypoints.api.checkout import CHECKOUT_PATH, source_of
from account_gateway.entrypoints.api.documentation import SEE_OTHER, see_other_answers
from account_gateway.entrypoints.api.navigation import see_other
from account_gateway.ports import Sessions

UPGRADE_PATH = "/pro/upgrade"
_PARAMETERS = [{"name": "source", "in": "query", "required": False, "schema": {"type": "string"}}]


def upgrade_routes(sessions: Sessions, sign_in: Callable[[str], str]) -> APIRouter:
    """``sign_in`` gives the location that leads to a return path after the sign-in."""
    router = APIRouter()

    @router.get(
        UPGRADE_PATH,
        summary="Upgrade to Pro",
        status_code=SEE_OTHER,
        response_class=RedirectResponse,
        responses=see_other_answers(),
        openapi_extra={"parameters": _PARAMETERS},
    )
    async def upgrade(request: Request) -> Response:
        """To Checkout when signed in, else to the sign-in, which leads back here."""
        source = source_of(request.query_params.get("source"))
        if await sessions.user_of(request.headers):
            return see_other(f"{CHECKOUT_PATH}?source={source}")
        return see_other(sign_in(f"{UPGRADE_PATH}?source={source}"))

    return router
