"""``GET /pro/upgrade``: one link for everybody, signed in or not."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from account_gateway.entrypoints.api.checkout import CHECKOUT_PATH, source_of
from account_gateway.entrypoints.api.lean_route import LeanRoute, api_route
from account_gateway.entrypoints.api.navigation import see_other
from account_gateway.session.caller import Sessions

UPGRADE_PATH = "/pro/upgrade"


def upgrade_routes(sessions: Sessions, sign_in: Callable[[str], str]) -> list[LeanRoute]:
    """``sign_in`` gives the location that leads to a return path after the sign-in."""

    async def upgrade(request: Request) -> Response:
        """To Checkout when signed in, else to the sign-in, which leads back here."""
        source = source_of(request.query_params.get("source"))
        if await sessions.user_of(request.headers):
            return see_other(f"{CHECKOUT_PATH}?source={source}")
        return see_other(sign_in(f"{UPGRADE_PATH}?source={source}"))

    parameter = {"name": "source", "in": "query", "required": False, "schema": {"type": "string"}}
    return [
        api_route(
            "GET", UPGRADE_PATH, upgrade, summary="Upgrade to Pro", status=303, parameters=(parameter,), security=False
        )
    ]
