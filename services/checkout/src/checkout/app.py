"""The composition root: settings, database, broker, Stripe, routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE
from atlas_contracts.streams import BILLING
from atlas_kit.database import Database
from atlas_kit.doors import install_doors
from atlas_kit.health import Check
from atlas_kit.http_app import create_app, with_edge
from atlas_kit.http_client import ServiceClient
from atlas_kit.identity import TokenMint, TokenVerifier
from atlas_kit.messaging import Broker
from atlas_kit.outbox import OutboxRelay
from atlas_kit.tasks import Workers
from checkout import api, operator_api
from checkout.confirm import Confirm
from checkout.entitlements_client import EntitlementsClient
from checkout.find_customer import Customers
from checkout.open_portal import Portal
from checkout.restore import Restore
from checkout.sale import Checkout
from checkout.services import Services
from checkout.settings import Settings
from checkout.stripe_gateway import StripeGateway


def database_of(settings: Settings) -> Database:
    return Database(
        settings.database_url,
        "checkout",
        migration_url=settings.database_migration_url,
        pool_size=settings.database_pool_size,
    )


def create(settings: Settings) -> ASGIApp:
    """The service as an ASGI application; connections are made when it starts."""
    database = database_of(settings)
    broker = Broker(
        settings.nats_url,
        CHECKOUT_SERVICE,
        inbox_prefix=settings.nats_inbox_prefix,
        streams=(BILLING,),
        replicas=settings.nats_stream_replicas,
    )
    mint = TokenMint(settings.internal_auth_secret, CHECKOUT_SERVICE)
    client = ServiceClient(settings.entitlements_url, ENTITLEMENTS_SERVICE, mint)

    workers = Workers(outbox=OutboxRelay(database, broker, BILLING).run)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            stripe = StripeGateway(settings.stripe_secret_key, settings.stripe_api_base)
            closing.push_async_callback(stripe.close)
            app.state.services = assemble(settings, database, broker, stripe, EntitlementsClient(client))
            await closing.enter_async_context(client)
            closing.push_async_callback(database.close)
            await database.start()
            closing.push_async_callback(broker.close)
            await broker.start()
            async with workers:
                yield

    def checks() -> Mapping[str, Check]:
        return {"database": database.check, "broker": broker.check, **workers.checks()}

    app = create_app("Atlas checkout", lifespan, checks)
    install_doors(app, TokenVerifier(settings.internal_auth_secret, CHECKOUT_SERVICE))
    app.include_router(api.router)
    app.include_router(operator_api.router)
    return with_edge(app)


def assemble(
    settings: Settings, database: Database, broker: Broker, stripe: StripeGateway, entitlements: EntitlementsClient
) -> Services:
    """Give each use case what it works with."""
    customers = Customers(database, stripe, entitlements)
    return Services(
        database=database,
        broker=broker,
        stripe=stripe,
        policy=settings.provider_policy(),
        checkout=Checkout(
            database,
            stripe,
            broker,
            entitlements,
            settings.stripe_price_pro_lifetime,
            settings.nextauth_url,
            settings.session_options(),
        ),
        customers=customers,
        portal=Portal(customers, stripe, settings.nextauth_url, settings.stripe_billing_portal_configuration_id),
        restore=Restore(database, stripe, broker, entitlements),
        confirm=Confirm(database, stripe, broker, entitlements),
    )
