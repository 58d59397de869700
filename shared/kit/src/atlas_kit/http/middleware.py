"""What all HTTP answers have in common, as plain ASGI middleware, which is cheaper than FastAPI's.

Request id and trace context, security headers, limits on the body's size and time, one log line per request, and the
error envelope for every exception.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import lru_cache

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atlas_contracts.public_api import Recovery
from atlas_kit.http.answers import error_response
from atlas_kit.http.errors import AtlasError, InvalidRequest, Unavailable
from atlas_kit.http.whole import WHOLE, AddedHeaders, AnswerWhole, has_arrived
from atlas_kit.process import context
from atlas_kit.process.logs import get_logger, line
from atlas_kit.process.metrics import HTTP_REQUESTS, HTTP_SECONDS
from atlas_kit.tracing.spans import NOTHING, OpenSpan, recorder
from atlas_kit.tracing.work import answered, serving

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
BODY_SECONDS = 15.0
"""How long a client may take to send a request's body. Stripe's arrive in one or two packets."""
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/api/health"})
LOGGED = "canonical_line_written"
"""A route that writes its request's log line itself sets ``scope["state"][LOGGED] = True``."""

_DEFAULT_HEADERS = {b"content-security-policy": DEFAULT_CSP.encode(), b"cache-control": b"no-store"}


class BodyTooLarge(AtlasError):
    """The body is larger than the limit; the rest of it is not read."""

    status = 413
    code = InvalidRequest.code
    default_message = "Request body is too large."
    default_recovery = Recovery.NONE


class BodyTooSlow(AtlasError):
    """The body didn't arrive in time; the connection is closed."""

    status = 408
    code = InvalidRequest.code
    default_message = "Request body took too long."

    def __init__(self) -> None:
        super().__init__(recovery=Recovery.RETRY, headers={"connection": "close"})


class ClientGone(AtlasError):
    """The client closed the connection before its request was complete, so nobody receives this answer.

    Log line and metrics show it with status 499, as nginx does.
    """

    status = 499
    code = InvalidRequest.code


class EdgeMiddleware:
    """The outermost layer of every service."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hsts: bool = False,
        max_body_bytes: int = MAX_BODY_BYTES,
        body_limits: Iterable[tuple[str, int]] = (),
        body_seconds: float = BODY_SECONDS,
        on_exit: Callable[[], None] | None = None,
    ) -> None:
        self._app = app
        self.on_exit = on_exit
        """See :func:`atlas_kit.http.app.with_edge`."""
        headers = [(k.encode(), v.encode()) for k, v in SECURITY_HEADERS.items()]
        if hsts:
            headers.append((b"strict-transport-security", HSTS.encode()))
        self._headers = AddedHeaders([*headers, *_DEFAULT_HEADERS.items()])
        self._max_body = max_body_bytes
        self._body_limits = dict(body_limits)
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = _told(scope)
        request_id = context.accept_request_id(told.get(b"x-request-id"), told.get(b"x-correlation-id"))
        span = NOTHING
        if recorder() is None:
            context.enter(request_id, told.get(b"traceparent"))
        else:
            quiet = scope["path"] in QUIET_PATHS
            span = serving(scope.get("scheme", "http"), request_id, told.get(b"traceparent"), quiet=quiet)
        scope.setdefault("state", {})["request_id"] = request_id
        exchange = _Exchange(scope, send, self._headers, request_id.encode(), span)
        limit = self._body_limits.get(scope["path"], self._max_body)
        limited = _limited_receive(receive, told.get(b"content-length", ""), limit, self._body_seconds)
        try:
            await self._app(scope, limited, exchange.send)
        except AtlasError as error:
            await exchange.fail(scope, receive, error)
        except asyncio.CancelledError:  # the process is ending, and this request took longer than GRACE_SECONDS
            await exchange.fail(scope, receive, Unavailable())
        except Exception:
            log.exception("http.unhandled_error")
            await exchange.fail(scope, receive, AtlasError())
        finally:
            exchange.finish()


_READ_HEADERS = frozenset({b"x-request-id", b"x-correlation-id", b"traceparent", b"content-length"})


def _told(scope: Scope) -> dict[bytes, str]:
    """The request headers that the edge needs; the first one where a name occurs several times."""
    told: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in _READ_HEADERS:
            told.setdefault(name, value.decode("latin-1"))
    return told


class _Exchange:
    """One request and its answer: adds headers, notes the status, and writes metrics and the log line at the end."""

    def __init__(self, scope: Scope, send: Send, headers: AddedHeaders, request_id: bytes, span: OpenSpan) -> None:
        self._scope, self._send, self._headers, self._span = scope, send, headers, span
        self._request_id = request_id
        self._whole: AnswerWhole | None = scope.pop(WHOLE, None)  # it knows the scope: a reference cycle, if it stayed
        self._held: Message | None = None
        self._status = 0
        self._complete = False
        self._started = time.perf_counter()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if self._whole and any(name == b"content-length" for name, _ in message["headers"]):
                self._held = message  # its body follows at once
                return
            message["headers"] = self._headers.to(message["headers"], self._request_id)
        elif message["type"] == "http.response.body":
            self._complete = not message.get("more_body", False)
            start, self._held = self._held, None
            if start is not None:
                if self._complete and self._sent_whole(start, message.get("body", b"")):
                    return
                start["headers"] = self._headers.to(start["headers"], self._request_id)
                await self._send(start)
        await self._send(message)

    def _sent_whole(self, start: Message, body: bytes) -> bool:
        lines = self._headers.lines(start["headers"], self._request_id, body)
        return lines is not None and self._whole is not None and self._whole(start["status"], lines, body)

    async def fail(self, scope: Scope, receive: Receive, error: AtlasError) -> None:
        if self._complete or (self._status and isinstance(error, ClientGone)):
            return
        if self._status and self._held is None:
            raise error  # part of the answer is sent, so the only way left to show the error is to cut the connection
        self._held = None
        await error_response(error)(scope, receive, self.send)

    def finish(self) -> None:
        seconds = time.perf_counter() - self._started
        scope = self._scope
        method, route = scope["method"], getattr(scope.get("route"), "path", None) or UNMATCHED
        known = method in _METHODS
        requests, durations = _metrics(method if known else "other", route, self._status)
        requests.inc()
        durations.observe(seconds)
        if scope["path"] not in QUIET_PATHS and LOGGED not in scope["state"]:
            line("http.request", method=method, route=route, status=self._status, ms=round(seconds * 1000, 2))
        if self._span is not NOTHING:
            answered(self._span, method if known else None, None if route == UNMATCHED else route, self._status)


UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@lru_cache(maxsize=1024)
def _metrics(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The metrics for these labels, cached because looking them up takes longer than counting."""
    return HTTP_REQUESTS.labels(method, route, str(status)), HTTP_SECONDS.labels(route)


def _limited_receive(receive: Receive, declared: str, limit: int, seconds: float) -> Receive:
    """``receive`` with limits on the body. ``declared`` is the Content-Length header.

    Raises BodyTooLarge above ``limit`` bytes (counted, whatever ``declared`` says), BodyTooSlow if the body isn't
    complete after ``seconds``, and ClientGone if the client closes the connection before that. Once the body is
    complete, there is no limit on waiting for the client to disconnect.
    """
    too_large = declared.isdigit() and int(declared[:20]) > limit
    seen = 0
    complete = False
    deadline: float | None = None

    async def in_time() -> Message:
        nonlocal deadline
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                return await receive()
        except TimeoutError:
            raise BodyTooSlow from None

    async def limited() -> Message:
        nonlocal seen, complete
        if complete:
            return await receive()
        if too_large:
            raise BodyTooLarge
        message = await (receive() if has_arrived(receive) else in_time())
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise BodyTooLarge
            complete = not message.get("more_body", False)
        elif message["type"] == "http.disconnect":
            raise ClientGone
        return message

    return limited
