"""Composition root: what the entitlements service is made of and how its parts hang together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.types import ASGIApp

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE
from atlas_contracts.many_reads import MANY_ENTITLEMENTS, MAX_READS_BYTES
from atlas_contracts.read_api import MAX_QUERY_BYTES, READ_MANY
from atlas_contracts.streams import BILLING, ENTITLEMENTS, PARKED, STATE
from atlas_kit.http.app import create_app, with_edge
from atlas_kit.http.client import ServiceClient
from atlas_kit.http.doors import Doors, install_doors
from atlas_kit.http.health import Check
from atlas_kit.http.identity import TokenMint, TokenVerifier
from atlas_kit.http.lean import HotRoute
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.events import now
from atlas_kit.messaging.outbox import QUIET, OutboxRelay
from atlas_kit.process.tasks import Workers
from atlas_kit.storage.database import Database
from entitlements.adapters.state_bucket import StateBucket
from entitlements.entrypoints.figures import figures
from entitlements.entrypoints.internal import (
    MAX_NEWS_BYTES,
    NEWS,
    entitlement_route,
    forgetting_route,
    hot_read,
    internal_routes,
)
from entitlements.entrypoints.operator import operator_routes
from entitlements.entrypoints.projector import Projector
from entitlements.entrypoints.readers import read_routes
from entitlements.entrypoints.states import state_routes
from entitlements.entrypoints.support import support_routes
from entitlements.settings import EntitlementsSettings
from entitlements.use_cases.fill_state import FillNewBucket
from entitlements.use_cases.keep_state import StateKeeper
from entitlements.use_cases.read_entitlement import STATEMENT_CONNECTIONS, EntitlementReader
from entitlements.use_cases.refold_after_upgrade import RefoldAfterUpgrade
from entitlements.use_cases.resolve_charges import ChargeResolver


@dataclass(frozen=True, slots=True)
class Parts:
    """What lives as long as the process, made once. ``folded`` is notified after each batch that changed something."""

    settings: EntitlementsSettings
    database: Database
    broker: Broker
    checkout: ServiceClient
    folded: asyncio.Condition
    projector: Projector
    reader: EntitlementReader
    bucket: StateBucket
    workers: Workers


def build(settings: EntitlementsSettings) -> ASGIApp:
    """The service for these settings; nothing is connected before the application starts."""
    parts = _parts(settings)
    doors = Doors(TokenVerifier(settings.internal_trusted_keys, ENTITLEMENTS_SERVICE), settings.internal_readers)
    app = create_app(
        ENTITLEMENTS_SERVICE,
        lambda _app: _lifespan(parts),
        lambda: {**_checks(parts), **parts.workers.checks()},
        figures=figures(parts.database, parts.broker),
    )
    install_doors(app, doors)
    read = hot_read(parts.reader, doors)
    app.router.routes.append(read)
    for router in _routers(parts):
        app.include_router(router)
    limits = [(MANY_ENTITLEMENTS, MAX_READS_BYTES), (NEWS, MAX_NEWS_BYTES), (READ_MANY, MAX_QUERY_BYTES)]
    return with_edge(HotRoute(app, read), body_limits=limits)


def _parts(settings: EntitlementsSettings) -> Parts:
    database, broker, folded = _database(settings), _broker(settings), asyncio.Condition()
    mint = TokenMint(settings.internal_signing_key, ENTITLEMENTS_SERVICE)
    checkout = ServiceClient(settings.checkout_url, CHECKOUT_SERVICE, mint)
    bucket = StateBucket(broker, settings.nats_stream_replicas)
    relay = OutboxRelay(database, broker, ENTITLEMENTS, beside=StateKeeper(bucket))
    projector = Projector(database, broker, settings.policy(), now, folded, relay.hand)
    return Parts(
        settings=settings,
        database=database,
        broker=broker,
        checkout=checkout,
        folded=folded,
        projector=projector,
        reader=EntitlementReader(database),
        bucket=bucket,
        workers=Workers(
            projector=projector.run,
            outbox=relay.run,
            charge_resolver=ChargeResolver(database, checkout, folded).run,
            rereading=RefoldAfterUpgrade(database).run,
            filling=FillNewBucket(database, broker, bucket, relay).run,
        ),
    )


@asynccontextmanager
async def _lifespan(parts: Parts) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        await parts.database.start()
        stack.push_async_callback(parts.database.close)
        await parts.broker.start()
        stack.push_async_callback(parts.broker.close)
        await stack.enter_async_context(parts.checkout)
        await stack.enter_async_context(parts.workers)
        yield


def _checks(parts: Parts) -> Mapping[str, Check]:
    return {"database": parts.database.check, "broker": parts.broker.check, "consumer": parts.projector.check}


def _routers(parts: Parts) -> list[APIRouter]:
    """All but the hot read's."""
    database, policy = parts.database, parts.settings.policy()
    return [
        entitlement_route(parts.reader),
        internal_routes(database, parts.broker, policy, parts.folded),
        forgetting_route(database),
        read_routes(parts.reader),
        operator_routes(database, policy),
        state_routes(database, parts.broker, parts.bucket),
        support_routes(database, policy),
    ]


def _database(settings: EntitlementsSettings) -> Database:
    return Database(
        settings.database_url,
        "entitlements",
        migration_url=settings.database_migration_url,
        pool_size=settings.database_pool_size,
        statement_connections=STATEMENT_CONNECTIONS,
        pipelined_connections=1,
        pipelined_options=QUIET,
    )


def _broker(settings: EntitlementsSettings) -> Broker:
    return Broker(
        settings.nats_url,
        ENTITLEMENTS_SERVICE,
        inbox_prefix=settings.nats_inbox_prefix,
        streams=settings.kept(BILLING, ENTITLEMENTS, PARKED, STATE),
        replicas=settings.nats_stream_replicas,
    )
