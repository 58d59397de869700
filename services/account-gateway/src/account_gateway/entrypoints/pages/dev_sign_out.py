"""``POST /dev/sign-out``: ends a session of ``/dev/sign-in``. One of the web app is ended by the web app."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from account_gateway.entrypoints.api.guards import Guard
from account_gateway.entrypoints.api.navigation import see_other
from account_gateway.entrypoints.pages.dependencies import SignOut
from account_gateway.session.cookies import cookie_names
from atlas_kit.process.logs import get_logger

log = get_logger()

DEV_SIGN_OUT_PATH = "/dev/sign-out"
DEV_SIGN_OUT = SignOut(DEV_SIGN_OUT_PATH, by_form=True)


def dev_sign_out_routes(same_origin: Guard) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.post(DEV_SIGN_OUT_PATH, dependencies=[Depends(same_origin)])
    async def sign_out(request: Request) -> Response:
        """Every session cookie goes, of either name and in chunks, so that the next request finds none of them."""
        names = cookie_names(secure=False)
        sent = [name for name in request.cookies if name.startswith(tuple(f"{each}." for each in names))]
        log.info("dev.sign_out")
        answer = see_other("/account")
        for name in (*names, *sent):
            answer.delete_cookie(name, path="/", httponly=True, samesite="lax")
        return answer

    return router
