"""Routes that a browser navigates to: an error sends it back to the account page, never shows it JSON."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from account_gateway.entrypoints.api.guards import refuse_prefetch_and_cross_site
from account_gateway.entrypoints.api.lean_route import SEE_OTHER, Handler
from atlas_kit.http.answers import error_response
from atlas_kit.http.errors import AtlasError
from atlas_kit.process.logs import get_logger

log = get_logger()


def see_other(location: str, headers: dict[str, str] | None = None) -> Response:
    return RedirectResponse(location, status_code=SEE_OTHER, headers=headers)


def navigation(handler: Handler) -> Handler:
    """``handler`` for a GET that makes something at Stripe: guarded, and with errors fit for a browser.

    A refused prefetch or cross-site request is 403 whatever it accepts: there is nobody to be sent back.
    """

    async def guarded(request: Request) -> Response:
        refuse_prefetch_and_cross_site(request.headers)
        try:
            return await handler(request)
        except AtlasError as error:
            return _sent_back(request, error)
        except Exception:
            log.exception("http.unhandled_error")
            return _sent_back(request, AtlasError())

    guarded.__doc__ = handler.__doc__
    return guarded


def wants_page(request: Request) -> bool:
    """Whether a browser navigates here (a fetch of the web client accepts JSON or anything)."""
    return "text/html" in request.headers.get("accept", "").lower()


def _sent_back(request: Request, error: AtlasError) -> Response:
    if not wants_page(request):
        return error_response(error)
    return see_other(f"/account?billing_error={error.code.value}", error.headers)
