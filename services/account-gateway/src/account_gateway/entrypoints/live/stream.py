"""``GET /api/pro/entitlement/stream``: Server-Sent Events, the entitlement at once and on each change."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from prometheus_client import Gauge
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from account_gateway.entrypoints.api.documentation import SIGNED_IN
from account_gateway.entrypoints.api.errors import READ_UNAVAILABLE, UNAUTHENTICATED, error_responses
from account_gateway.entrypoints.live.changes import EntitlementChanges, Watch
from account_gateway.ports import ReadsEntitlements, Sessions
from account_gateway.session.caller import RequireUser
from atlas_contracts.internal_api import EntitlementView
from atlas_kit.http.errors import AtlasError, Unavailable
from atlas_kit.process.logs import get_logger
from atlas_kit.tracing.work import pushed, updating_page

log = get_logger()

OPEN = Gauge("atlas_streams_open", "Live update streams open.")

STREAM_PATH = "/api/pro/entitlement/stream"
STREAM_HEADERS = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
"""no-transform: a proxy that compresses (Next.js' own does) would hold events back until its buffer is full."""
HEARTBEAT = b": heartbeat\n\n"
_EXAMPLE = (
    'id: req_5f0c1b2a3d4e5f6a7b8c9d0e\nevent: entitlement\ndata: {"isPro":true,"status":"active","source":"stripe",'
    '"restoredAt":"2026-11-23T10:00:00Z","updatedAt":"2026-11-23T10:00:01.250Z"}\n\n'
)
_RESPONSES: dict[int | str, dict[str, Any]] = error_responses((UNAUTHENTICATED, READ_UNAVAILABLE)) | {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}}}
}


@dataclass(frozen=True, slots=True)
class StreamTimes:
    """All in seconds."""

    life: float = 600
    """The server ends a stream after this; the browser reconnects by itself."""
    heartbeat: float = 15
    """Between two comments that keep a quiet stream open; also the longest that a stream outlives its session."""
    poll_without_broker: float = 5
    poll_with_broker: float = 60
    """A hint may be lost even while the broker is there."""


class EventStream(StreamingResponse):
    media_type = "text/event-stream"


async def entitlement_events(
    first: EntitlementView,
    read: Callable[[], Awaitable[EntitlementView]],
    signed_in: Callable[[], Awaitable[bool]],
    changes: EntitlementChanges,
    watch: Watch,
    times: StreamTimes,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[bytes]:
    """The stream's bytes. After the first ones, each is sent only if the caller is still ``signed_in``."""
    last, started = first, clock()
    next_beat, next_look = started + times.heartbeat, started + _pause(changes, times)
    yield b"retry: 2000\n" + _event(first)
    while not _over(changes, watch) and (now := clock()) < started + times.life:
        news = await watch.wait(max(0.0, min(next_beat, next_look, started + times.life) - now))
        if _over(changes, watch) or not await signed_in():
            return
        if news or clock() >= next_look:
            with updating_page(watch.take_cause()):
                current = await _read_or(last, read)
                differs = current.public() != last.public()
                if differs:
                    _log_pushed(current)
            next_look = clock() + _pause(changes, times)
            if differs:
                last = current
                yield _event(current)
        if clock() >= next_beat:
            next_beat += times.heartbeat
            yield HEARTBEAT


@dataclass(frozen=True, slots=True)
class Streams:
    """What every stream is made from."""

    sessions: Sessions
    entitlements: ReadsEntitlements
    changes: EntitlementChanges
    times: StreamTimes

    async def bytes_for(self, request: Request, user_id: str, first: EntitlementView) -> AsyncIterator[bytes]:
        """One user's stream, which begins with what was ``first`` read."""

        async def read() -> EntitlementView:
            return await self.entitlements.read(user_id, EntitlementView)

        async def signed_in() -> bool:
            try:
                return await self.sessions.user_of(request.headers) == user_id
            except Unavailable:
                return True  # sessions can't be looked up: keep the stream, which ends after a while anyway

        with OPEN.track_inprogress(), self.changes.watching(user_id) as watch:
            watch.wake()  # there may have been a change between the first read and the watch
            async for chunk in entitlement_events(first, read, signed_in, self.changes, watch, self.times):
                yield chunk


def stream_routes(user: RequireUser, streams: Streams) -> APIRouter:
    router = APIRouter()

    @router.get(
        STREAM_PATH,
        summary="Follow the caller's entitlement",
        response_class=Response,  # no media type of its own: the one in _RESPONSES
        responses=_RESPONSES,
        openapi_extra=SIGNED_IN,
    )
    async def stream(request: Request, user_id: Annotated[str, Depends(user)]) -> Response:
        """The entitlement as ``event: entitlement``, at once and on each change; a comment every 15 s keeps it open.

        The server ends a stream after 10 minutes, and within 15 s when the session has ended; EventSource reconnects by
        itself.
        """
        # Read before answering: when the entitlements service doesn't answer, that is a 503 and not an empty stream.
        first = await streams.entitlements.read(user_id, EntitlementView)
        return EventStream(streams.bytes_for(request, user_id, first), headers=STREAM_HEADERS)

    return router


def _over(changes: EntitlementChanges, watch: Watch) -> bool:
    return changes.ending or watch.ended


def _pause(changes: EntitlementChanges, times: StreamTimes) -> float:
    return times.poll_with_broker if changes.live else times.poll_without_broker


async def _read_or(last: EntitlementView, read: Callable[[], Awaitable[EntitlementView]]) -> EntitlementView:
    """The entitlement now, or ``last`` while the entitlements service doesn't answer."""
    try:
        return await read()
    except AtlasError:
        return last


def _log_pushed(view: EntitlementView) -> None:
    pushed()
    requested = {"requestId": view.request_id} if view.request_id else {}
    log.info("entitlement.pushed", userId=view.user_id, version=view.version, **requested)


def _event(view: EntitlementView) -> bytes:
    """The entitlement as an event. Its id is that of the request that changed it, where the ledger knows it."""
    identity = f"id: {view.request_id}\n" if view.request_id else ""
    return f"{identity}event: entitlement\ndata: {view.public().model_dump_json(by_alias=True)}\n\n".encode()
