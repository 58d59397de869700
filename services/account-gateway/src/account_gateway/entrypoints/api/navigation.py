"""Links that a browser follows: after an error it is sent back to the account page instead of being shown JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from account_gateway.entrypoints.api.documentation import SEE_OTHER
from account_gateway.entrypoints.api.guards import no_prefetch
from account_gateway.entrypoints.api.unavailable import unavailable_as
from atlas_kit.http.errors import AtlasError
from atlas_kit.process.logs import get_logger

log = get_logger()


class SentBack(Exception):
    """A browser that follows a link to a hosted page gets an error, and is sent back to the account page."""

    def __init__(self, error: AtlasError) -> None:
        self.error = error
        super().__init__(error.message)


def see_other(location: str, headers: dict[str, str] | None = None) -> Response:
    return RedirectResponse(location, status_code=SEE_OTHER, headers=headers)


def link(unavailable: str) -> list[Any]:
    """The dependencies of a GET that makes something at Stripe; ``unavailable`` is its text for what doesn't answer.

    A refused prefetch or cross-site request is 403 whatever it accepts: no user waits for a page there.
    """
    return [Depends(no_prefetch), Depends(send_back, scope="function"), unavailable_as(unavailable)]


async def send_back(request: Request) -> AsyncIterator[None]:
    """Turns a route's errors into SentBack where a browser navigates; other clients get the error itself."""
    try:
        yield
    except AtlasError as error:
        if wants_page(request):
            raise SentBack(error) from error
        raise
    except Exception as unforeseen:
        log.exception("http.unhandled_error")
        told = AtlasError()
        raise (SentBack(told) if wants_page(request) else told) from unforeseen


async def answer_sent_back(_request: Request, error: Exception) -> Response:
    """The application's handler of SentBack: the page tells what went wrong (``billing_error`` is the error's code)."""
    assert isinstance(error, SentBack)
    return see_other(f"/account?billing_error={error.error.code.value}", error.error.headers)


def wants_page(request: Request) -> bool:
    """Whether a browser navigates here (a fetch of the web client accepts JSON or anything)."""
    return "text/html" in request.headers.get("accept", "").lower()
