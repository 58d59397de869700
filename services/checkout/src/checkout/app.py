"""The composition root: settings, database, broker, Stripe, routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

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
from atlas_kit.tasks import running
from checkout import api, operator_api
from checkout.confirm import Confirm
from checkout.entitlements_client import EntitlementsClient
from checkout.open_portal import Portal
from checkout.provider_state import ProviderPolicy
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

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        stripe = StripeGateway(settings.stripe_secret_key, settings.stripe_api_base)
        app.state.services = assemble(settings, database, broker, stripe, EntitlementsClient(client))
        async with client:
            await database.start()
            await broker.start()
            async with running(outbox=OutboxRelay(database, broker, BILLING).run):
                yield
            await broker.close()
            await database.close()
            await stripe.close()

    def checks() -> Mapping[str, Check]:
        return {"database": database.check, "broker": broker.check}

    app = create_app("Atlas checkout", lifespan, checks)
    install_doors(app, TokenVerifier(settings.internal_auth_secret, CHECKOUT_SERVICE))
    app.include_router(api.router)
    app.include_router(operator_api.router)
    return with_edge(app)


def assemble(
    settings: Settings, database: Database, broker: Broker, stripe: StripeGateway, entitlements: EntitlementsClient
) -> Services:
    """Give each use case what it works with."""
    return Services(
        database=database,
        broker=broker,
        stripe=stripe,
        policy=ProviderPolicy(
            livemode=settings.livemode,
            grant_free_checkouts=settings.billing_grant_free_checkouts,
            suspend_on_dispute=settings.billing_suspend_on_dispute,
        ),
        checkout=Checkout(
            database, stripe, broker, entitlements, settings.stripe_price_pro_lifetime, settings.nextauth_url
        ),
        portal=Portal(database, stripe, settings.nextauth_url, settings.stripe_billing_portal_configuration_id),
        restore=Restore(database, stripe, broker, entitlements),
        confirm=Confirm(database, stripe, broker, entitlements),
    )
