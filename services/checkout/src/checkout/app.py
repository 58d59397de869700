"""Composition root: settings, database, broker, Stripe, routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE
from atlas_contracts.streams import BILLING
from atlas_kit.http.app import create_app, with_edge
from atlas_kit.http.client import ServiceClient
from atlas_kit.http.doors import install_doors
from atlas_kit.http.identity import TokenMint, TokenVerifier
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.outbox import OutboxRelay
from atlas_kit.process.tasks import Workers
from atlas_kit.storage.database import Database
from checkout.adapters.entitlements_client import EntitlementsClient
from checkout.adapters.stripe_gateway import StripeGateway
from checkout.entrypoints.backfill import backfill_routes
from checkout.entrypoints.imports import IMPORT_PURCHASES, MAX_IMPORT_BYTES, import_routes
from checkout.entrypoints.internal import internal_routes
from checkout.entrypoints.operator import operator_routes
from checkout.settings import Settings
from checkout.use_cases.backfill import Backfill
from checkout.use_cases.find_customer import Customers
from checkout.use_cases.open_portal import Portal
from checkout.use_cases.purchases import Purchases
from checkout.use_cases.sale import Checkout
from checkout.use_cases.tell_payments import Telling


def build(settings: Settings) -> ASGIApp:
    """The service as one ASGI application; connections are made when it starts."""
    database, broker = _database(settings), _broker(settings)
    mint = TokenMint(settings.internal_auth_secret, CHECKOUT_SERVICE)
    entitlements = ServiceClient(settings.entitlements_url, ENTITLEMENTS_SERVICE, mint)
    stripe = StripeGateway(settings.stripe_secret_key, settings.stripe_api_base)
    # A backfill's own connections, so that no buyer waits behind it; it repeats by itself what fails.
    aside = StripeGateway(settings.stripe_secret_key, settings.stripe_api_base, retries=0)
    ledger = EntitlementsClient(entitlements)
    purchases = Purchases(database, stripe, broker, ledger)

    workers = Workers(outbox=OutboxRelay(database, broker, BILLING).run)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(stripe.close)
            stack.push_async_callback(aside.close)
            await stack.enter_async_context(entitlements)
            await database.start()
            stack.push_async_callback(database.close)
            await broker.start()
            stack.push_async_callback(broker.close)
            await stack.enter_async_context(workers)
            yield

    app = create_app(
        "Atlas checkout",
        lifespan,
        lambda: {"database": database.check, "broker": broker.check, **workers.checks()},
    )
    install_doors(app, TokenVerifier(settings.internal_auth_secret, CHECKOUT_SERVICE))
    app.include_router(
        internal_routes(_checkout(settings, purchases, stripe), purchases, _portal(settings, database, stripe, ledger))
    )
    app.include_router(operator_routes(database, stripe, broker, settings.provider_policy()))
    rules, rate, stopping = settings.provider_policy().ownership, settings.backfill_rate, asyncio.Event()
    app.include_router(backfill_routes(Backfill(database, aside, broker, ledger, rules, rate, stopping)))
    app.include_router(import_routes(Telling(database, aside, broker, ledger, rules), aside, rate))
    return with_edge(app, body_limits=[(IMPORT_PURCHASES, MAX_IMPORT_BYTES)], on_exit=stopping.set)


def _database(settings: Settings) -> Database:
    return Database(
        settings.database_url,
        "checkout",
        migration_url=settings.database_migration_url,
        pool_size=settings.database_pool_size,
    )


def _broker(settings: Settings) -> Broker:
    return Broker(
        settings.nats_url,
        CHECKOUT_SERVICE,
        inbox_prefix=settings.nats_inbox_prefix,
        streams=(BILLING,),
        replicas=settings.nats_stream_replicas,
    )


def _checkout(settings: Settings, purchases: Purchases, stripe: StripeGateway) -> Checkout:
    return Checkout(
        purchases.database,
        stripe,
        purchases.broker,
        purchases.entitlements,
        settings.stripe_price_pro_lifetime,
        settings.nextauth_url,
        settings.session_options(),
    )


def _portal(settings: Settings, database: Database, stripe: StripeGateway, ledger: EntitlementsClient) -> Portal:
    return Portal(
        Customers(database, stripe, ledger),
        stripe,
        settings.nextauth_url,
        settings.stripe_billing_portal_configuration_id,
    )
