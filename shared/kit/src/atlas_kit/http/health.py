"""Liveness and readiness. Live: the process answers. Ready: everything it depends on answers when asked now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atlas_kit.http.figures import Figure, note_checks, read_figures

CHECK_SECONDS = 2.0
"""A check that takes longer than this has failed."""

Check = Callable[[], Awaitable[None]]
"""Raises when the dependency doesn't answer."""


async def failing_checks(checks: Mapping[str, Check]) -> list[str]:
    """Names of the checks that fail, all run at once."""

    async def fails(name: str, check: Check) -> str | None:
        try:
            await asyncio.wait_for(check(), CHECK_SECONDS)
        except Exception:  # noqa: BLE001 - whatever goes wrong, the dependency isn't ready
            return name
        return None

    results = await asyncio.gather(*(fails(name, check) for name, check in checks.items()))
    return [name for name in results if name]


def health_routes(checks: Callable[[], Mapping[str, Check]], figures: Sequence[Figure] = ()) -> list[Route]:
    """``/healthz``, ``/readyz`` and ``/metrics``; ``checks`` is called on every readiness request and for the metrics,
    and so are the ``figures``, which set gauges.
    """

    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> Response:
        failing = await failing_checks(checks())
        return JSONResponse(
            {"status": "unavailable" if failing else "ok", "failing": failing}, status_code=503 if failing else 200
        )

    async def look() -> None:
        now = checks()
        note_checks(now, await failing_checks(now))

    async def metrics(_request: Request) -> Response:
        await asyncio.gather(look(), read_figures(figures))
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", live), Route("/readyz", ready), Route("/metrics", metrics)]
