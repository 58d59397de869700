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
from atlas_kit.http.doors import Doors
from atlas_kit.http.identity import TokenMint, TokenVerifier
from atlas_kit.http.lean import HotRoute
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.events import now
from atlas_kit.messaging.outbox import OutboxRelay
from atlas_kit.process.tasks import Workers
from atlas_kit.storage.database import Database
from entitlements.entrypoints.internal import InternalApi
from entitlements.entrypoints.operator import OperatorApi
from entitlements.entrypoints.projector import Projector
from entitlements.settings import Settings
from entitlements.use_cases.read_entitlement import EntitlementReader
from entitlements.use_cases.reread import Rereading
from entitlements.use_cases.resolve_charges import ChargeResolver


def build(settings: Settings) -> ASGIApp:
    """The service, ready to be served."""
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
    doors = Doors(TokenVerifier(settings.internal_auth_secret, ENTITLEMENTS_SERVICE))
    folded = asyncio.Condition()
    projector = Projector(database, broker, policy, now, folded)
    relay = OutboxRelay(database, broker, ENTITLEMENTS)
    rereading = Rereading(database)

    checkout = ServiceClient(
        settings.checkout_url, CHECKOUT_SERVICE, TokenMint(settings.internal_auth_secret, ENTITLEMENTS_SERVICE)
    )
    resolver = ChargeResolver(database, checkout, folded)

    workers = Workers(projector=projector.run, outbox=relay.run, charge_resolver=resolver.run, rereading=rereading.run)

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

    app = create_app(
        ENTITLEMENTS_SERVICE,
        lifespan,
        lambda: {
            "database": database.check,
            "broker": broker.check,
            "consumer": projector.check,
            **workers.checks(),
        },
    )
    internal = InternalApi(database, EntitlementReader(database), doors, policy, folded)
    read, *others = internal.routes()
    app.router.routes.extend([read, *others, *OperatorApi(database, doors, policy).routes()])
    return with_edge(HotRoute(app, read))
