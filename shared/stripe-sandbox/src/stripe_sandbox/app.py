"""Puts the sandbox's application together, with what runs in the background."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from stripe_sandbox.api import StripeApi
from stripe_sandbox.behavior import ApiBehavior, RequestLog
from stripe_sandbox.control import Control
from stripe_sandbox.delivery import Delivery
from stripe_sandbox.doors import Doors
from stripe_sandbox.entitlement import Entitlements, entitlements
from stripe_sandbox.hosted import HostedCheckout
from stripe_sandbox.idempotency import IdempotencyKeys
from stripe_sandbox.operation import World
from stripe_sandbox.pages import STATIC
from stripe_sandbox.permissions import Permissions
from stripe_sandbox.portal_pages import PortalPages
from stripe_sandbox.resources import catalog, endpoints
from stripe_sandbox.resources.aftermath import end_refund
from stripe_sandbox.resources.checkout import close
from stripe_sandbox.room import ControlRoom
from stripe_sandbox.settings import Settings
from stripe_sandbox.store import Store

EXPIRY_SECONDS = 1.0  # pause between looking for sessions that expire and refunds that end
METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH"]


def create_app(
    settings: Settings, state_directory: Path | None = None, clock: Callable[[], float] = time.time
) -> Starlette:
    """The ASGI application. In ``state_directory`` the sandbox's state survives restarts; None: only in memory."""
    store = Store(state_directory)
    world = World(settings, store, clock)
    delivery = Delivery(world)
    behavior, log, permissions = ApiBehavior(), RequestLog(), Permissions()
    api = StripeApi(world, behavior, log, IdempotencyKeys(store), permissions)
    control = Control(world, behavior, log, delivery, permissions)
    product = entitlements(settings)

    async def answer_api(request: Request) -> Response:
        return await api(request)

    routes = [
        Route("/healthz", health),
        Route("/readyz", health),
        *control.routes(),
        *ControlRoom(world, behavior, delivery, product).routes(),
        *HostedCheckout(world, delivery).routes(),
        *PortalPages(world).routes(),
        Mount("/static", STATIC),
        Route("/v1/{path:path}", answer_api, methods=METHODS),
    ]
    doors = Middleware(Doors, settings=settings)
    return Starlette(routes=routes, lifespan=lambda _app: running(world, delivery, product), middleware=[doors])


async def health(_request: Request) -> Response:
    """Liveness and readiness: the sandbox depends on nothing else, so it is ready as soon as it answers."""
    return JSONResponse({"status": "ok"})


@contextlib.asynccontextmanager
async def running(world: World, delivery: Delivery, product: Entitlements) -> AsyncIterator[None]:
    """Run what happens in the background: webhooks are sent, sessions expire, refunds end."""
    await delivery.start()
    world.publish = delivery.publish
    with world.operation() as op:
        catalog.seed(op)
        endpoints.seed(op)
    clocks = asyncio.gather(expire_sessions(world), end_refunds(world))
    try:
        yield
    finally:
        clocks.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await clocks
        await delivery.stop()
        await product.close()
        world.store.close()


async def expire_sessions(world: World) -> None:
    """Expire sessions whose time is over, with their events, until cancelled."""
    while True:
        await asyncio.sleep(EXPIRY_SECONDS)
        now = world.clock()
        sessions = world.store.of("checkout.session").newest_first()
        due = [session for session in sessions if session["status"] == "open" and session["expires_at"] <= now]
        if due:
            with world.operation() as op:
                for session in due:
                    close(op, session)


async def end_refunds(world: World) -> None:
    """Give refunds of certain test cards their final status (``refunds.SECOND_THOUGHTS``), until cancelled."""
    while True:
        await asyncio.sleep(EXPIRY_SECONDS)
        now = world.clock()
        waiting = [entry for entry in world.store.of("refund_to_end").oldest_first() if entry["at"] <= now]
        if waiting:
            with world.operation() as op:
                for entry in waiting:
                    end_refund(op, entry)
