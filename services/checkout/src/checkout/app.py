"""Puts the checkout service together: settings, database, broker, Stripe, routes, workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.types import ASGIApp

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, INGEST_SERVICE
from atlas_contracts.streams import BILLING
from atlas_kit.http.app import create_app, with_edge
from atlas_kit.http.client import ServiceClient
from atlas_kit.http.doors import Doors, install_doors
from atlas_kit.http.health import Check
from atlas_kit.http.identity import TokenMint, TokenVerifier
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.outbox import OutboxRelay, outbox_age
from atlas_kit.process.tasks import Workers
from atlas_kit.storage.database import Database
from checkout.adapters.entitlements_client import EntitlementsClient
from checkout.adapters.parked_events_client import ParkedEventsClient
from checkout.adapters.stripe_gateway import StripeGateway
from checkout.entrypoints.backfill import backfill_routes
from checkout.entrypoints.counting import counting_routes
from checkout.entrypoints.deletion import deletion_routes
from checkout.entrypoints.imports import IMPORT_PURCHASES, MAX_IMPORT_BYTES, import_routes
from checkout.entrypoints.internal import internal_routes
from checkout.entrypoints.operator import operator_routes
from checkout.entrypoints.support import support_routes
from checkout.settings import CheckoutSettings
from checkout.use_cases.backfill import Backfill
from checkout.use_cases.find_customer import Customers
from checkout.use_cases.forget_user import Forgetting
from checkout.use_cases.open_portal import Portal
from checkout.use_cases.purchases import Purchases
from checkout.use_cases.sale import Checkout
from checkout.use_cases.tell_payments import Telling


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that are made once and live as long as the process."""

    settings: CheckoutSettings
    database: Database
    broker: Broker
    stripe: StripeGateway
    stripe_aside: StripeGateway
    """For backfill and import: connections of its own, so that no buyer waits behind it, and no retries by the SDK."""
    stopping: asyncio.Event
    """Set when the process is told to end."""
    entitlements: ServiceClient
    ledger: EntitlementsClient
    ingest: ServiceClient
    workers: Workers


def build(settings: CheckoutSettings) -> ASGIApp:
    """The service for these settings; nothing is connected before the application starts."""
    parts = _parts(settings)
    app = create_app(
        "Atlas checkout",
        lambda _app: _lifespan(parts),
        lambda: {**_checks(parts), **parts.workers.checks()},
        figures=[outbox_age(parts.database)],
    )
    install_doors(app, Doors(TokenVerifier(settings.internal_trusted_keys, CHECKOUT_SERVICE)))
    for router in _routers(parts):
        app.include_router(router)
    return with_edge(app, body_limits=[(IMPORT_PURCHASES, MAX_IMPORT_BYTES)], on_exit=parts.stopping.set)


def _parts(settings: CheckoutSettings) -> Parts:
    database, broker = _database(settings), _broker(settings)
    mint = TokenMint(settings.internal_signing_key, CHECKOUT_SERVICE)
    entitlements = ServiceClient(settings.entitlements_url, ENTITLEMENTS_SERVICE, mint)
    return Parts(
        settings=settings,
        database=database,
        broker=broker,
        stripe=StripeGateway(settings.stripe_secret_key, settings.stripe_api_base),
        stripe_aside=StripeGateway(settings.stripe_secret_key, settings.stripe_api_base, retries=0),
        stopping=asyncio.Event(),
        entitlements=entitlements,
        ledger=EntitlementsClient(entitlements),
        ingest=ServiceClient(settings.webhook_ingest_url, INGEST_SERVICE, mint),
        workers=Workers(outbox=OutboxRelay(database, broker, BILLING).run),
    )


@asynccontextmanager
async def _lifespan(parts: Parts) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        stack.push_async_callback(parts.stripe.close)
        stack.push_async_callback(parts.stripe_aside.close)
        await stack.enter_async_context(parts.entitlements)
        await stack.enter_async_context(parts.ingest)
        await parts.database.start()
        stack.push_async_callback(parts.database.close)
        await parts.broker.start()
        stack.push_async_callback(parts.broker.close)
        await stack.enter_async_context(parts.workers)
        yield


def _checks(parts: Parts) -> Mapping[str, Check]:
    return {"database": parts.database.check, "broker": parts.broker.check}


def _routers(parts: Parts) -> list[APIRouter]:
    purchases = Purchases(parts.database, parts.stripe, parts.broker, parts.ledger)
    forgetting = Forgetting(parts.database, parts.stripe, parts.ledger, ParkedEventsClient(parts.ingest), parts.broker)
    return [
        internal_routes(_checkout(parts), purchases, _portal(parts)),
        counting_routes(parts.database),
        deletion_routes(forgetting),
        operator_routes(parts.database, parts.stripe, parts.broker, parts.settings.provider_policy(), forgetting),
        support_routes(purchases, parts.stripe),
        backfill_routes(_backfill(parts)),
        import_routes(_telling(parts), parts.stripe_aside, parts.settings.backfill_rate),
    ]


def _backfill(parts: Parts) -> Backfill:
    settings = parts.settings
    return Backfill(
        parts.database,
        parts.stripe_aside,
        parts.broker,
        parts.ledger,
        settings.provider_policy().ownership,
        settings.backfill_rate,
        parts.stopping,
    )


def _telling(parts: Parts) -> Telling:
    rules = parts.settings.provider_policy().ownership
    return Telling(parts.database, parts.stripe_aside, parts.broker, parts.ledger, rules)


def _database(settings: CheckoutSettings) -> Database:
    return Database(
        settings.database_url,
        "checkout",
        migration_url=settings.database_migration_url,
        pool_size=settings.database_pool_size,
    )


def _broker(settings: CheckoutSettings) -> Broker:
    return Broker(
        settings.nats_url,
        CHECKOUT_SERVICE,
        inbox_prefix=settings.nats_inbox_prefix,
        streams=settings.kept(BILLING),
        replicas=settings.nats_stream_replicas,
    )


def _checkout(parts: Parts) -> Checkout:
    settings = parts.settings
    return Checkout(
        parts.database,
        parts.stripe,
        parts.broker,
        parts.ledger,
        settings.stripe_price_pro_lifetime,
        settings.nextauth_url,
        settings.session_options(),
    )


def _portal(parts: Parts) -> Portal:
    settings = parts.settings
    return Portal(
        Customers(parts.database, parts.stripe, parts.ledger),
        parts.stripe,
        settings.nextauth_url,
        settings.stripe_billing_portal_configuration_id,
    )
