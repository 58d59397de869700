"""``/dev/sign-in``: signs a browser in as any user name. Local only: settings refuse it on https."""

from dataclasses import dataclass
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from account_gateway.entrypoints.api.guards import Guard
from account_gateway.entrypoints.api.navigation import see_other
from account_gateway.entrypoints.api.return_paths import safe_return_path
from account_gateway.entrypoints.pages.arrival import Toast
from account_gateway.entrypoints.pages.rendering import SIGN_IN_CSP, render
from account_gateway.ports import Sessions
from account_gateway.session.cookies import NEXT_AUTH_V4
from account_gateway.session.mint import SESSION_SECONDS, mint_token
from atlas_contracts.user_id import DESCRIPTION, is_user_id
from atlas_kit.process.logs import get_logger

log = get_logger()

DEV_SIGN_IN_PATH = "/dev/sign-in"
FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 10
UNREADABLE = f"Enter a user name: {DESCRIPTION}."


@dataclass(frozen=True, slots=True)
class _Form:
    """What the page shows. ``callback_url`` is already safe."""

    callback_url: str
    signed_in_as: str | None = None
    error: str | None = None


def dev_sign_in_routes(sessions: Sessions, secret: str, same_origin: Guard) -> APIRouter:
    """``secret`` is the newest NEXTAUTH_SECRET: the cookie made here is one that the web app would make."""
    router = APIRouter(include_in_schema=False)

    @router.get(DEV_SIGN_IN_PATH)
    async def form(request: Request) -> Response:
        callback = safe_return_path(request.query_params.get("callbackUrl"))
        current = await sessions.user_of(request.headers)
        return _page(request, _Form(callback_url=callback, signed_in_as=current))

    @router.post(DEV_SIGN_IN_PATH, dependencies=[Depends(same_origin)])
    async def sign_in(request: Request) -> Response:
        fields = await _form_fields(request)
        callback = safe_return_path(fields.get("callbackUrl"))
        user_id = fields.get("user")
        if not is_user_id(user_id):
            return _page(request, _Form(callback_url=callback, error=UNREADABLE), status=400)
        log.info("dev.sign_in", userId=user_id)
        answer = see_other(callback)
        answer.set_cookie(
            NEXT_AUTH_V4, mint_token(user_id, secret), max_age=SESSION_SECONDS, path="/", httponly=True, samesite="lax"
        )
        return answer

    return router


async def _form_fields(request: Request) -> dict[str, str]:
    """The first value of each field; nothing from any other kind of body."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return {}
    try:
        fields = parse_qs((await request.body()).decode(), max_num_fields=MAX_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def _page(request: Request, form: _Form, status: int = 200) -> Response:
    toasts = [Toast(form.error, "error")] if form.error else []
    return render(
        request,
        "sign_in.html",
        status=status,
        csp=SIGN_IN_CSP,
        user_id=form.signed_in_as,
        sign_in=request.url.path,
        form=form,
        toasts=toasts,
    )
