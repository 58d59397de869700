"""The page of /dev/sign-in; its form sends ``user`` and ``callbackUrl``."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from account_gateway.entrypoints.pages.arrival import Toast
from account_gateway.entrypoints.pages.rendering import SIGN_IN_CSP, render


@dataclass(frozen=True, slots=True)
class SignInForm:
    """What the page shows. ``callback_url`` is already safe."""

    callback_url: str
    signed_in_as: str | None = None
    error: str | None = None


def sign_in_page(request: Request, form: SignInForm, status: int = 200) -> Response:
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
