"""Who may talk to the sandbox: clients that call it by a name of its own, and no page of another web site.

A page of another site can make a visitor's browser send requests here, and a name whose address its owner changes to
127.0.0.1 makes such a page look like ours. So the ``Host`` has to be a loopback name, the public URL's, or one of
``SANDBOX_ALLOWED_HOSTS``; and what a browser sends for another origin (``Sec-Fetch-Site``, ``Origin``) gets no
answer from the API, the control surface and the pages' forms. Links to the pages work from everywhere.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from atlas_devstack.sandbox.errors import StripeError
from atlas_devstack.sandbox.ids import new_id
from atlas_devstack.sandbox.pages import message_page, origin_of
from atlas_devstack.sandbox.settings import Settings

OPEN_TO_ALL = frozenset({"/healthz", "/readyz"})  # probes call a container by its address, and learn nothing else
GUARDED = ("/v1/", "/_sandbox/")
FORM_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
OWN_SITES = frozenset({"same-origin", "none"})  # "none": the visitor typed or reloaded
MISDIRECTED, FORBIDDEN = 421, 403


@dataclass(frozen=True, slots=True)
class Doors:
    """ASGI middleware that refuses what isn't meant for this sandbox."""

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
        """Whether a browser says that a page of another origin asks; other clients say nothing."""
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
    """localhost, a name below it, or an address that never leaves this machine."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def refused(message: str, status: int) -> Response:
    """A refusal in Stripe's envelope, so that an SDK shows its text."""
    return JSONResponse(StripeError(message, status=status).envelope(new_id("request")), status)
