"""Puts account-gateway together: its settings, sessions, clients, routes and pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from account_gateway.adapters.entitlement_reads import EntitlementReads
from account_gateway.adapters.lean_client import LeanClient
from account_gateway.adapters.offered_prices import OfferedPrices
from account_gateway.entrypoints.api.checkout import checkout_routes
from account_gateway.entrypoints.api.confirm import confirm_routes
from account_gateway.entrypoints.api.documentation import operation_id
from account_gateway.entrypoints.api.entitlement import entitlement_routes
from account_gateway.entrypoints.api.guards import same_origin
from account_gateway.entrypoints.api.health import public_health_routes
from account_gateway.entrypoints.api.navigation import SentBack, answer_sent_back
from account_gateway.entrypoints.api.openapi import describe
from account_gateway.entrypoints.api.overview import overview_routes, read_overview, read_standing
from account_gateway.entrypoints.api.portal import portal_routes
from account_gateway.entrypoints.api.rate_limits import Limit, RequireLimitedUser, UserLimiter, within
from account_gateway.entrypoints.api.restore import restore_routes
from account_gateway.entrypoints.api.return_paths import sign_in_location
from account_gateway.entrypoints.api.upgrade import upgrade_routes
from account_gateway.entrypoints.live.changes import EntitlementChanges
from account_gateway.entrypoints.live.stream import Streams, StreamTimes, stream_routes
from account_gateway.entrypoints.pages.dependencies import PageDependencies, SignOut
from account_gateway.entrypoints.pages.dev_sign_in import dev_sign_in_routes
from account_gateway.entrypoints.pages.dev_sign_out import DEV_SIGN_OUT, dev_sign_out_routes
from account_gateway.entrypoints.pages.not_found import unknown_path
from account_gateway.entrypoints.pages.one_origin import OneOrigin
from account_gateway.entrypoints.pages.routes import page_routes
from account_gateway.session.caller import require_user
from account_gateway.session.encrypted import EncryptedSessions
from account_gateway.session.stored import StoredSessions
from account_gateway.settings import GatewaySettings
from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, GATEWAY_SERVICE
from atlas_contracts.price_api import OfferedPrice
from atlas_contracts.public_api import Recovery
from atlas_kit.http.answers import error_response
from atlas_kit.http.app import create_app, with_edge
from atlas_kit.http.client import ServiceClient
from atlas_kit.http.errors import InvalidRequest
from atlas_kit.http.health import Check
from atlas_kit.http.identity import TokenMint
from atlas_kit.http.lean import HotRoute, only_route
from atlas_kit.messaging.broker import Broker
from atlas_kit.process.tasks import Workers

VERSION = "1.0.0"


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that are made once and live as long as the process."""

    settings: GatewaySettings
    sessions: EncryptedSessions | StoredSessions
    entitlements: LeanClient
    reads: EntitlementReads
    checkout: ServiceClient
    prices: OfferedPrices
    broker: Broker
    changes: EntitlementChanges
    workers: Workers


class _Liveness(BaseModel):
    status: str


def build(settings: GatewaySettings, times: StreamTimes | None = None) -> ASGIApp:
    """The gateway for these settings; nothing is connected before the application starts.

    ``times`` is for tests, which can't wait as long as streams do.
    """
    parts = _parts(settings)
    app = create_app(
        GATEWAY_SERVICE,
        lambda _app: _lifespan(parts),
        lambda: {**_checks(parts), **parts.workers.checks()},
        openapi_url="/openapi.json",
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    entitlement = entitlement_routes(require_user(parts.sessions), parts.reads)
    pages = _pages(parts)
    routers = [entitlement, *_routers(parts, pages, times or StreamTimes())]
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(SentBack, answer_sent_back)
    app.add_exception_handler(404, unknown_path(pages))
    app.add_exception_handler(405, _method_not_allowed([*app.routes, *_routes_of(routers)]))
    describe(app, version=VERSION, server=settings.nextauth_url, secure=settings.secure)
    hot = HotRoute(OneOrigin(app, settings.nextauth_url), only_route(entitlement))
    return with_edge(hot, hsts=settings.secure, on_exit=parts.changes.end_streams)


def _parts(settings: GatewaySettings) -> Parts:
    mint = TokenMint(settings.internal_signing_key, GATEWAY_SERVICE)
    broker = Broker(settings.nats_url, GATEWAY_SERVICE, inbox_prefix=settings.nats_inbox_prefix)
    changes = EntitlementChanges(broker)
    checkout = ServiceClient(settings.checkout_url, CHECKOUT_SERVICE, mint)
    entitlements = LeanClient(settings.entitlements_url, ENTITLEMENTS_SERVICE, mint)
    return Parts(
        settings=settings,
        sessions=_sessions(settings),
        entitlements=entitlements,
        reads=EntitlementReads(entitlements),
        checkout=checkout,
        prices=OfferedPrices(lambda: checkout.get("/internal/price", GATEWAY_SERVICE, OfferedPrice)),
        broker=broker,
        changes=changes,
        workers=Workers(entitlement_changes=changes.follow),
    )


def _sessions(settings: GatewaySettings) -> EncryptedSessions | StoredSessions:
    if settings.nextauth_session_strategy == "database":
        return StoredSessions(settings.atlas_database, secure=settings.secure)
    return EncryptedSessions(settings.secrets, secure=settings.secure)


@asynccontextmanager
async def _lifespan(parts: Parts) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        if isinstance(parts.sessions, StoredSessions):
            await parts.sessions.start()
            stack.push_async_callback(parts.sessions.close)
        stack.push_async_callback(parts.entitlements.close)
        await stack.enter_async_context(parts.checkout)
        stack.push_async_callback(parts.prices.close)
        await parts.broker.start()
        stack.push_async_callback(parts.broker.close)
        await stack.enter_async_context(parts.workers)
        yield


def _checks(parts: Parts) -> Mapping[str, Check]:
    """Ready: sessions and entitlements can be read. The broker isn't asked, because streams poll without it, nor the
    checkout service, because Pro users must get in without it.
    """

    async def entitlements_answer() -> None:
        await parts.entitlements.get("/healthz", "readiness", _Liveness)

    return {"sessions": parts.sessions.check, "entitlements": entitlements_answer}


def _routers(parts: Parts, pages: PageDependencies, times: StreamTimes) -> list[APIRouter]:
    """All routers except that of the entitlement read, in the order of /openapi.json."""
    settings, sessions, entitlements, checkout = parts.settings, parts.sessions, parts.entitlements, parts.checkout
    user, ours = require_user(sessions), same_origin(settings.nextauth_url)

    def limited(name: str, limit: Limit | None) -> RequireLimitedUser:
        return within(UserLimiter(name, limit, checkout), user)

    dev = [dev_sign_in_routes(sessions, settings.secrets[0], ours), dev_sign_out_routes(ours)]
    return [
        stream_routes(user, Streams(sessions, parts.reads, parts.changes, times)),
        restore_routes(limited("restore", settings.rate_limit_restore), checkout, ours),
        checkout_routes(limited("checkout", settings.rate_limit_checkout), checkout, ours),
        confirm_routes(limited("confirm", settings.rate_limit_confirm), checkout, ours),
        portal_routes(limited("portal", settings.rate_limit_portal), checkout, ours),
        overview_routes(user, entitlements, checkout),
        upgrade_routes(sessions, pages.sign_in),
        public_health_routes(),
        *(dev if settings.dev_sign_in else []),
        page_routes(pages),
    ]


def _pages(parts: Parts) -> PageDependencies:
    settings, entitlements = parts.settings, parts.entitlements

    def sign_in(return_path: str) -> str:
        return sign_in_location(
            return_path,
            nextauth_url=settings.nextauth_url,
            sign_in_url=settings.atlas_sign_in_url,
            dev_sign_in=settings.dev_sign_in,
        )

    return PageDependencies(
        sessions=parts.sessions,
        read_standing=lambda user_id: read_standing(user_id, entitlements),
        read_overview=lambda user_id: read_overview(user_id, entitlements, parts.checkout),
        sign_in=sign_in,
        offers=parts.prices.now,
        sign_out=_sign_out(settings),
    )


def _sign_out(settings: GatewaySettings) -> SignOut | None:
    """Ours ends the sessions that /dev/sign-in makes; all others belong to the web app, which has to say where."""
    if settings.dev_sign_in:
        return DEV_SIGN_OUT
    return SignOut(settings.atlas_sign_out_url) if settings.atlas_sign_out_url else None


def _routes_of(routers: Iterable[APIRouter]) -> list[BaseRoute]:
    return [route for router in routers for route in router.routes]


def _method_not_allowed(routes: Iterable[BaseRoute]) -> Callable[[Request, Exception], Awaitable[Response]]:
    """The handler of 405: answers in the envelope, with the methods of all routes of the path in ``Allow``."""
    methods: dict[str, set[str]] = {}
    for route in routes:
        if isinstance(route, Route):
            methods.setdefault(route.path, set()).update(route.methods or ())

    async def answer(request: Request, _error: Exception) -> Response:
        allow = ", ".join(sorted(methods.get(request.url.path, ())))
        return error_response(
            InvalidRequest("Method not allowed.", recovery=Recovery.NONE, status=405, headers={"allow": allow})
        )

    return answer
