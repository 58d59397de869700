"""What every HTTP answer of ours has in common, as pure ASGI middleware (cheap on the hot paths).

Request id and trace context, security headers, a bound on the body, one canonical log line, and the envelope around
whatever goes wrong.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atlas_contracts.public_api import Recovery
from atlas_kit import context
from atlas_kit.answers import error_response
from atlas_kit.errors import AtlasError, InvalidRequest
from atlas_kit.logs import get_logger
from atlas_kit.metrics import HTTP_REQUESTS, HTTP_SECONDS

log = get_logger()

DEFAULT_CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
HSTS = "max-age=63072000; includeSubDomains"
MAX_BODY_BYTES = 64 * 1024
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/api/health"})


class BodyTooLarge(AtlasError):
    """The body is over the limit; it was not read to its end."""

    status = 413
    code = InvalidRequest.code
    default_message = "Request body is too large."

    def __init__(self) -> None:
        super().__init__(recovery=Recovery.NONE)


class EdgeMiddleware:
    """The outermost layer of every service."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hsts: bool = False,
        max_body_bytes: int = MAX_BODY_BYTES,
        body_limits: Iterable[tuple[str, int]] = (),
    ) -> None:
        self._app = app
        self._headers = [(k.encode(), v.encode()) for k, v in SECURITY_HEADERS.items()]
        if hsts:
            self._headers.append((b"strict-transport-security", HSTS.encode()))
        self._max_body = max_body_bytes
        self._body_limits = dict(body_limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = context.accept_request_id(headers.get("x-request-id"), headers.get("x-correlation-id"))
        context.enter(request_id, headers.get("traceparent"))
        scope.setdefault("state", {})["request_id"] = request_id
        exchange = _Exchange(scope, send, [*self._headers, (b"x-request-id", request_id.encode())])
        limited = _limited_receive(receive, headers, self._body_limits.get(scope["path"], self._max_body))
        try:
            await self._app(scope, limited, exchange.send)
        except AtlasError as error:
            await exchange.fail(scope, receive, error)
        except Exception:
            log.exception("http.unhandled_error")
            await exchange.fail(scope, receive, AtlasError())
        finally:
            exchange.finish()


class _Exchange:
    """One request's answer on its way out."""

    def __init__(self, scope: Scope, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._scope, self._send, self._headers = scope, send, headers
        self._status = 0
        self._started = time.perf_counter()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            present = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(h for h in self._headers if h[0] not in present)]
            if b"content-security-policy" not in present:
                message["headers"].append((b"content-security-policy", DEFAULT_CSP.encode()))
            if b"cache-control" not in present:
                message["headers"].append((b"cache-control", b"no-store"))
        await self._send(message)

    async def fail(self, scope: Scope, receive: Receive, error: AtlasError) -> None:
        if self._status:
            raise error  # the answer has begun: all that is left is to cut the connection
        await error_response(error)(scope, receive, self.send)

    def finish(self) -> None:
        seconds = time.perf_counter() - self._started
        route = getattr(self._scope.get("route"), "path", None) or "unmatched"
        HTTP_REQUESTS.labels(self._scope["method"], route, str(self._status)).inc()
        HTTP_SECONDS.labels(route).observe(seconds)
        if self._scope["path"] not in QUIET_PATHS:
            log.info(
                "http.request",
                method=self._scope["method"],
                route=route,
                status=self._status,
                ms=round(seconds * 1000, 2),
            )


def _limited_receive(receive: Receive, headers: Headers, limit: int) -> Receive:
    """``receive`` that raises BodyTooLarge past ``limit`` bytes, whatever the declared length says."""
    declared = headers.get("content-length", "")
    too_large = declared.isdigit() and int(declared[:20]) > limit
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        if too_large:
            raise BodyTooLarge
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise BodyTooLarge
        return message

    return limited
