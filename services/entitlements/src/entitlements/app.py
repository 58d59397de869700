"""Composition root of the entitlements service: settings, database, broker, consumer, routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE
from atlas_contracts.streams import BILLING, ENTITLEMENTS, PARKED
from atlas_kit.http.app import create_app, with_edge
from atlas_kit.http.client import ServiceClient
from atlas_kit.http.doors import Doors, install_doors
from atlas_kit.http.health import Check
from atlas_kit.http.identity import TokenMint, TokenVerifier
from atlas_kit.http.lean import HotRoute
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.events import now
from atlas_kit.messaging.outbox import OutboxRelay
from atlas_kit.process.tasks import Workers
from atlas_kit.storage.database import Database
from entitlements.entrypoints.internal import MAX_NEWS_BYTES, NEWS, hot_read, internal_routes
from entitlements.entrypoints.operator import operator_routes
from entitlements.entrypoints.projector import Projector
from entitlements.settings import Settings
from entitlements.use_cases.read_entitlement import EntitlementReader
from entitlements.use_cases.refold_after_upgrade import RefoldAfterUpgrade
from entitlements.use_cases.resolve_charges import ChargeResolver


def build(settings: Settings) -> ASGIApp:
    """The service, ready to be served; nothing is connected before the application starts."""
    policy = settings.policy()
    database = Database(
        settings.database_url,
        "entitlements",
        migration_url=settings.database_migration_url,
        pool_size=settings.database_pool_size,
    )
    broker = Broker(
        settings.nats_url,
        ENTITLEMENTS_SERVICE,
        inbox_prefix=settings.nats_inbox_prefix,
        streams=(BILLING, ENTITLEMENTS, PARKED),
        replicas=settings.nats_stream_replicas,
    )
    mint = TokenMint(settings.internal_auth_secret, ENTITLEMENTS_SERVICE)
    checkout = ServiceClient(settings.checkout_url, CHECKOUT_SERVICE, mint)
    folded = asyncio.Condition()
    projector = Projector(database, broker, policy, now, folded)
    workers = Workers(
        projector=projector.run,
        outbox=OutboxRelay(database, broker, ENTITLEMENTS).run,
        charge_resolver=ChargeResolver(database, checkout, folded).run,
        rereading=RefoldAfterUpgrade(database).run,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await database.start()
            stack.push_async_callback(database.close)
            await broker.start()
            stack.push_async_callback(broker.close)
            await stack.enter_async_context(checkout)
            await stack.enter_async_context(workers)
            yield

    def checks() -> dict[str, Check]:
        told = {"database": database.check, "broker": broker.check, "consumer": projector.check}
        return {**told, **workers.checks()}

    verifier = TokenVerifier(settings.internal_auth_secret, ENTITLEMENTS_SERVICE)
    app = create_app(ENTITLEMENTS_SERVICE, lifespan, checks)
    install_doors(app, verifier)
    read = hot_read(EntitlementReader(database), Doors(verifier))
    app.router.routes.append(read)
    app.include_router(internal_routes(database, broker, policy, folded))
    app.include_router(operator_routes(database, policy))
    return with_edge(HotRoute(app, read), body_limits=[(NEWS, MAX_NEWS_BYTES)])
