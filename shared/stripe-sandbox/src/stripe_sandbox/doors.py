"""Refuses requests that pages of other web sites make in a visitor's browser.

A page of another site can let the browser send requests to the sandbox. If its owner changes its name's address to
127.0.0.1 (DNS rebinding), the page even counts as ours. So the ``Host`` must be a loopback name, the public URL's host,
or one of ``SANDBOX_ALLOWED_HOSTS``; and the API, the control surface and the forms refuse requests that the browser
marks as coming from another origin (``Sec-Fetch-Site``, ``Origin``). Links to the pages work from everywhere.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from stripe_sandbox.errors import StripeError
from stripe_sandbox.ids import new_id
from stripe_sandbox.pages import message_page, origin_of
from stripe_sandbox.settings import Settings

OPEN_TO_ALL = frozenset({"/healthz", "/readyz"})  # health checks call a container by its address
GUARDED = ("/v1/", "/_sandbox/")
FORM_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
OWN_SITES = frozenset({"same-origin", "none"})  # "none": the visitor typed the address or reloaded the page
MISDIRECTED, FORBIDDEN = 421, 403


@dataclass(frozen=True, slots=True)
class Doors:
    """ASGI middleware that refuses requests of other sites' pages."""

    app: ASGIApp
    settings: Settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        refusal = self.refusal(scope) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)

    def refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that isn't let in; None for one that is."""
        headers, path = Headers(scope=scope), scope["path"]
        if path in OPEN_TO_ALL:
            return None
        if not self.is_own_host(headers.get("host", "")):
            return refused(
                "This sandbox is not known by that host name. It answers to localhost, to the host of "
                "SANDBOX_PUBLIC_URL and to those of SANDBOX_ALLOWED_HOSTS.",
                MISDIRECTED,
            )
        if not self.is_foreign(headers):
            return None
        if path.startswith(GUARDED):
            return refused("The sandbox doesn't answer the pages of other sites.", FORBIDDEN)
        if scope["method"] in FORM_METHODS:
            return message_page("Not from here", "Open the page itself and try again there.", FORBIDDEN)
        return None

    def is_own_host(self, host: str) -> bool:
        """Whether a ``Host`` header names this sandbox."""
        name = host_name(host)
        return is_loopback(name) or name == urlsplit(self.settings.public_url).hostname or name in self.settings.hosts

    def is_foreign(self, headers: Headers) -> bool:
        """Whether the browser says that a page of another origin makes the request; other clients don't say."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site not in OWN_SITES:
            return True
        if origin is None or (origin == "null" and site is not None):
            return False
        own = (f"{scheme}://{headers.get('host', '').lower()}" for scheme in ("http", "https"))
        return origin not in {*own, origin_of(self.settings.public_url)}


def host_name(host: str) -> str:
    """The name of a ``Host`` header, without its port, in lower case; empty when it can't be read."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_loopback(name: str) -> bool:
    """Whether the name is localhost, a name below it, or a loopback address."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def refused(message: str, status: int) -> Response:
    """A refusal in Stripe's envelope, so that an SDK shows its text."""
    return JSONResponse(StripeError(message, status=status).envelope(new_id("request")), status)
