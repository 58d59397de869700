"""``GET /api/pro/entitlement/stream``: Server-Sent Events, the entitlement at once and on each change."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from account_gateway.api_errors import READ_UNAVAILABLE, UNAUTHENTICATED
from account_gateway.changes import EntitlementChanges, Watch
from account_gateway.entitlement import read_entitlement
from account_gateway.lean_route import LeanRoute, api_route
from account_gateway.session.caller import Sessions, require_user
from account_gateway.upstream import ReadsService
from atlas_contracts.public_api import Entitlement
from atlas_kit.errors import AtlasError, Unavailable

STREAM_PATH = "/api/pro/entitlement/stream"
STREAM_HEADERS = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
"""A proxy that compresses (Next.js' own, say) would hold events back until its buffer is full."""
HEARTBEAT = b": heartbeat\n\n"
_EXAMPLE = (
    'event: entitlement\ndata: {"isPro":true,"status":"active","source":"stripe",'
    '"restoredAt":"2026-11-23T10:00:00Z","updatedAt":"2026-11-23T10:00:01.250Z"}\n\n'
)


@dataclass(frozen=True, slots=True)
class StreamTimes:
    """All in seconds."""

    life: float = 600
    """The server ends a stream after this; the browser reconnects."""
    heartbeat: float = 15
    """So long, at most, a stream outlives its session."""
    poll_without_broker: float = 5
    poll_with_broker: float = 60
    """A hint may be lost even while the broker is there."""


class EventStream(StreamingResponse):
    media_type = "text/event-stream"


async def entitlement_events(
    first: Entitlement,
    read: Callable[[], Awaitable[Entitlement]],
    signed_in: Callable[[], Awaitable[bool]],
    changes: EntitlementChanges,
    watch: Watch,
    times: StreamTimes,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[bytes]:
    """The stream's bytes; after the first, none without a look whether the caller is still ``signed_in``."""
    last, started = first, clock()
    next_beat, next_look = started + times.heartbeat, started + _pause(changes, times)
    yield b"retry: 2000\n" + _event(first)
    while not _over(changes, watch) and (now := clock()) < started + times.life:
        news = await watch.wait(max(0.0, min(next_beat, next_look, started + times.life) - now))
        if _over(changes, watch) or not await signed_in():
            return
        if news or clock() >= next_look:
            current = await _read_or(last, read)
            next_look = clock() + _pause(changes, times)
            if current != last:
                last = current
                yield _event(current)
        if clock() >= next_beat:
            next_beat += times.heartbeat
            yield HEARTBEAT


def stream_routes(
    sessions: Sessions, entitlements: ReadsService, changes: EntitlementChanges, times: StreamTimes | None = None
) -> list[LeanRoute]:
    async def stream(request: Request) -> Response:
        """The entitlement as ``event: entitlement``, at once and on each change; a comment every 15 s keeps it open.

        The server ends a stream after 10 minutes, and within 15 s when the session has ended; EventSource reconnects by
        itself.
        """
        user_id = await require_user(request, sessions)

        async def read() -> Entitlement:
            return await read_entitlement(user_id, entitlements)

        async def signed_in() -> bool:
            try:
                return await sessions.user_of(request.headers) == user_id
            except Unavailable:
                return True  # nobody can say; this must not cut everybody off, and the stream's life is bounded

        async def body(first: Entitlement) -> AsyncIterator[bytes]:
            with changes.watching(user_id) as watch:
                watch.wake()  # a change between the first look and the watch
                async for chunk in entitlement_events(first, read, signed_in, changes, watch, times or StreamTimes()):
                    yield chunk

        # Read before answering, so that an entitlements service that is away is a 503 and no empty stream.
        return EventStream(body(await read()), headers=STREAM_HEADERS)

    return [
        api_route(
            "GET",
            STREAM_PATH,
            stream,
            summary="Follow the caller's entitlement",
            response_class=Response,  # no media type of its own: the one below
            responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}}}},
            errors=(UNAUTHENTICATED, READ_UNAVAILABLE),
        )
    ]


def _over(changes: EntitlementChanges, watch: Watch) -> bool:
    return changes.ending or watch.ended


def _pause(changes: EntitlementChanges, times: StreamTimes) -> float:
    return times.poll_with_broker if changes.live else times.poll_without_broker


async def _read_or(last: Entitlement, read: Callable[[], Awaitable[Entitlement]]) -> Entitlement:
    """What is true now, or what was last known while nobody answers."""
    try:
        return await read()
    except AtlasError:
        return last


def _event(entitlement: Entitlement) -> bytes:
    return b"event: entitlement\ndata: " + entitlement.model_dump_json(by_alias=True).encode() + b"\n\n"
