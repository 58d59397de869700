"""The sandbox put together."""

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

from atlas_devstack.sandbox.api import StripeApi
from atlas_devstack.sandbox.behavior import ApiBehavior, RequestLog
from atlas_devstack.sandbox.control import Control
from atlas_devstack.sandbox.delivery import Delivery
from atlas_devstack.sandbox.doors import Doors
from atlas_devstack.sandbox.entitlement import entitlements
from atlas_devstack.sandbox.hosted import HostedCheckout
from atlas_devstack.sandbox.idempotency import IdempotencyKeys
from atlas_devstack.sandbox.operation import World
from atlas_devstack.sandbox.pages import STATIC
from atlas_devstack.sandbox.permissions import Permissions
from atlas_devstack.sandbox.portal_pages import PortalPages
from atlas_devstack.sandbox.resources import catalog, endpoints
from atlas_devstack.sandbox.resources.aftermath import end_refund
from atlas_devstack.sandbox.resources.checkout import close
from atlas_devstack.sandbox.room import ControlRoom
from atlas_devstack.sandbox.settings import Settings
from atlas_devstack.sandbox.store import Store

EXPIRY_SECONDS = 1.0  # how often open sessions and refunds under way are looked over
METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH"]


def create_app(
    settings: Settings, state_directory: Path | None = None, clock: Callable[[], float] = time.time
) -> Starlette:
    """The ASGI application. ``state_directory`` keeps the sandbox's state over restarts."""
    store = Store(state_directory)
    world = World(settings, store, clock)
    delivery = Delivery(world)
    behavior, log, permissions = ApiBehavior(), RequestLog(), Permissions()
    api = StripeApi(world, behavior, log, IdempotencyKeys(store), permissions)
    control = Control(world, behavior, log, delivery, permissions)
    product = entitlements(settings)
    room = ControlRoom(world, behavior, delivery, product)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
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
            store.close()

    async def answer_api(request: Request) -> Response:
        return await api(request)

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    routes = [
        Route("/healthz", health),
        Route("/readyz", health),
        *control.routes(),
        *room.routes(),
        *HostedCheckout(world, delivery).routes(),
        *PortalPages(world).routes(),
        Mount("/static", STATIC),
        Route("/v1/{path:path}", answer_api, methods=METHODS),
    ]
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(Doors, settings=settings)])


async def expire_sessions(world: World) -> None:
    """Close sessions whose time is over, and tell, as long as the sandbox runs."""
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
    """End the refunds of test cards whose refunds end otherwise than they begin, as long as the sandbox runs."""
    while True:
        await asyncio.sleep(EXPIRY_SECONDS)
        now = world.clock()
        waiting = [entry for entry in world.store.of("refund_to_end").oldest_first() if entry["at"] <= now]
        if waiting:
            with world.operation() as op:
                for entry in waiting:
                    end_refund(op, entry)
