"""Composition root of the entitlements service: settings, database, broker, consumer, routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE
from atlas_contracts.streams import BILLING, ENTITLEMENTS, PARKED
from atlas_kit.database import Database
from atlas_kit.doors import Doors
from atlas_kit.events import now
from atlas_kit.http_app import HotRoute, create_app, with_edge
from atlas_kit.http_client import ServiceClient
from atlas_kit.identity import TokenMint, TokenVerifier
from atlas_kit.messaging import Broker
from atlas_kit.outbox import OutboxRelay
from atlas_kit.tasks import Workers
from entitlements.api import InternalApi
from entitlements.consumer import Projector
from entitlements.operator import OperatorApi
from entitlements.reading import Rereading
from entitlements.reads import EntitlementReader
from entitlements.settings import Settings
from entitlements.unresolved import ChargeResolver


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
