"""Composition root: what account-gateway is made of and how its parts hang together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from account_gateway.changes import EntitlementChanges
from account_gateway.checkout import checkout_routes
from account_gateway.confirm import confirm_routes
from account_gateway.dev_sign_in import dev_sign_in_routes
from account_gateway.entitlement import entitlement_route, read_entitlement
from account_gateway.health import health_api_routes
from account_gateway.lean_client import LeanClient
from account_gateway.openapi import describe
from account_gateway.overview import overview_routes, read_overview
from account_gateway.page_context import PageContext
from account_gateway.pages.routes import page_routes
from account_gateway.portal import portal_routes
from account_gateway.rate_limits import UserLimiter
from account_gateway.restore import restore_routes
from account_gateway.return_paths import sign_in_location
from account_gateway.session.caller import Sessions
from account_gateway.session.encrypted import EncryptedSessions
from account_gateway.session.stored import StoredSessions
from account_gateway.settings import GatewaySettings
from account_gateway.stream import StreamTimes, stream_routes
from account_gateway.upgrade import upgrade_routes
from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, GATEWAY_SERVICE
from atlas_contracts.public_api import Recovery
from atlas_kit.answers import error_response
from atlas_kit.errors import InvalidRequest
from atlas_kit.health import Check
from atlas_kit.http_app import HotRoute, create_app, with_edge
from atlas_kit.http_client import ServiceClient
from atlas_kit.identity import TokenMint
from atlas_kit.messaging import Broker
from atlas_kit.tasks import Workers

VERSION = "1.0.0"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A built gateway: the application, and how to let its streams end before the process does."""

    app: ASGIApp
    end_streams: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes are made from."""

    settings: GatewaySettings
    sessions: Sessions
    entitlements: LeanClient
    checkout: ServiceClient
    changes: EntitlementChanges


class _Liveness(BaseModel):
    status: str


def build(settings: GatewaySettings, times: StreamTimes | None = None) -> Gateway:
    """The gateway for these settings; nothing is connected before the application starts."""
    mint = TokenMint(settings.internal_auth_secret, GATEWAY_SERVICE)
    broker = Broker(settings.nats_url, GATEWAY_SERVICE, inbox_prefix=settings.nats_inbox_prefix)
    parts = Parts(
        settings=settings,
        sessions=_sessions(settings),
        entitlements=LeanClient(settings.entitlements_url, ENTITLEMENTS_SERVICE, mint),
        checkout=ServiceClient(settings.checkout_url, CHECKOUT_SERVICE, mint),
        changes=EntitlementChanges(broker),
    )

    workers = Workers(entitlement_changes=parts.changes.follow)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if isinstance(parts.sessions, StoredSessions):
                await parts.sessions.start()
                stack.push_async_callback(parts.sessions.close)
            stack.push_async_callback(parts.entitlements.close)
            await stack.enter_async_context(parts.checkout)
            await broker.start()
            stack.push_async_callback(broker.close)
            await stack.enter_async_context(workers)
            yield

    app = create_app(
        GATEWAY_SERVICE,
        lifespan,
        lambda: {**_checks(parts), **workers.checks()},
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    hot = entitlement_route(parts.sessions, parts.entitlements)
    app.router.routes.extend([hot, *_routes(parts, times)])
    app.add_exception_handler(405, _method_not_allowed)
    describe(app, version=VERSION, server=settings.nextauth_url, secure=settings.secure)
    return Gateway(with_edge(HotRoute(app, hot), hsts=settings.secure), parts.changes.end_streams)


def _sessions(settings: GatewaySettings) -> EncryptedSessions | StoredSessions:
    if settings.nextauth_session_strategy == "database":
        return StoredSessions(settings.atlas_database, secure=settings.secure)
    return EncryptedSessions(settings.secrets, secure=settings.secure)


def _checks(parts: Parts) -> Mapping[str, Check]:
    """Ready: sessions and entitlements can be read. Not the broker, without which streams poll, nor the checkout
    service, without which Pro users must still get in.
    """

    async def entitlements_answer() -> None:
        await parts.entitlements.get("/healthz", "readiness", _Liveness)

    return {"sessions": parts.sessions.check, "entitlements": entitlements_answer}


def _routes(parts: Parts, times: StreamTimes | None) -> list[BaseRoute]:
    settings, sessions, entitlements, checkout = parts.settings, parts.sessions, parts.entitlements, parts.checkout
    origin = settings.nextauth_url

    def sign_in(return_path: str) -> str:
        return sign_in_location(
            return_path,
            nextauth_url=origin,
            sign_in_url=settings.atlas_sign_in_url,
            dev_sign_in=settings.dev_sign_in,
        )

    pages = PageContext(
        sessions=sessions,
        read_entitlement=lambda user_id: read_entitlement(user_id, entitlements),
        read_overview=lambda user_id: read_overview(user_id, entitlements, checkout),
        sign_in=sign_in,
        dev_sign_in=settings.dev_sign_in,
    )
    limiters = _limiters(settings)
    dev = dev_sign_in_routes(sessions, settings.secrets[0], origin) if settings.dev_sign_in else []
    return [
        *stream_routes(sessions, entitlements, parts.changes, times),
        *restore_routes(sessions, checkout, limiters["restore"], origin),
        *checkout_routes(sessions, checkout, limiters["checkout"], origin),
        *confirm_routes(sessions, checkout, limiters["confirm"], origin),
        *portal_routes(sessions, checkout, limiters["portal"], origin),
        *overview_routes(sessions, entitlements, checkout),
        *upgrade_routes(sessions, sign_in),
        *health_api_routes(),
        *dev,
        *page_routes(pages),
    ]


def _limiters(settings: GatewaySettings) -> dict[str, UserLimiter]:
    limits = {
        "checkout": settings.rate_limit_checkout,
        "portal": settings.rate_limit_portal,
        "restore": settings.rate_limit_restore,
        "confirm": settings.rate_limit_confirm,
    }
    return {name: UserLimiter(name, limit) for name, limit in limits.items()}


async def _method_not_allowed(request: Request, _error: Any) -> Response:
    """405 in the envelope; ``Allow`` names the methods of all routes with this path."""
    routes = [route for route in request.app.routes if isinstance(route, Route) and route.path == request.url.path]
    allowed = sorted({method for route in routes for method in route.methods or ()})
    return error_response(
        InvalidRequest("Method not allowed.", recovery=Recovery.NONE, status=405, headers={"allow": ", ".join(allowed)})
    )
