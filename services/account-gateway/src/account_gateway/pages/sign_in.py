"""The form of /dev/sign-in. Placeholder until the real page is here; field names ``user`` and ``callbackUrl``."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from account_gateway.page_context import SIGN_IN_CSP


@dataclass(frozen=True, slots=True)
class SignInForm:
    """What the page shows. ``callback_url`` is already safe."""

    callback_url: str
    signed_in_as: str | None = None
    error: str | None = None


def sign_in_page(_request: Request, form: SignInForm, status: int = 200) -> Response:
    body = (
        "<!doctype html><title>Development sign-in</title><h1>Development sign-in</h1>"
        f"<p>{escape(form.error or '')}</p>"
        '<form method="post" action="/dev/sign-in"><label>User name <input name="user" required></label>'
        f'<input type="hidden" name="callbackUrl" value="{escape(form.callback_url)}"><button>Sign in</button></form>'
    )
    return HTMLResponse(body, status_code=status, headers={"content-security-policy": SIGN_IN_CSP})
