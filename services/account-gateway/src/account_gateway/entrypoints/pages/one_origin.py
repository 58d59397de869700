"""The local stack has one origin: who types ``localhost`` instead of ``127.0.0.1`` is sent to it.

Sessions are cookies of one host, and every POST must come from NEXTAUTH_URL's origin, so that under the other name a
visitor would be signed out and no button would work.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
PAGES = frozenset({"/", "/pro", "/pro/upgrade", "/account", "/legal", "/dev/sign-in"})
TEMPORARY_REDIRECT = 307


class OneOrigin:
    """``app``, with a page that is asked for under another name of this machine redirected to ``origin``.

    The redirect leads to ``origin`` and nowhere else, whatever the request says. An origin that is not a loopback
    address is left alone: there the web app in front decides.
    """

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self._app, self._origin = app, origin
        host, port = _host_and_port(urlsplit(origin).netloc)
        names = LOOPBACK - {host} if host in LOOPBACK else frozenset[str]()
        self._others = frozenset({f"{name}:{port}" for name in names} | (names if port == "80" else set()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_page(scope) and Headers(scope=scope).get("host", "").lower() in self._others:
            query = scope["query_string"].decode("latin-1")
            location = self._origin + scope["path"] + (f"?{query}" if query else "")
            await RedirectResponse(location, TEMPORARY_REDIRECT)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_page(self, scope: Scope) -> bool:
        return bool(self._others) and scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in PAGES


def _host_and_port(netloc: str) -> tuple[str, str]:
    host, separator, port = netloc.rpartition(":")
    return (host, port) if separator and not netloc.endswith("]") else (netloc, "80")
