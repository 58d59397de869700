"""Composition root of webhook-ingest: settings, broker, Stripe, door, workers, routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, INGEST_SERVICE
from atlas_contracts.streams import BILLING, PARKED
from atlas_kit.http.app import create_app, with_edge
from atlas_kit.http.client import ServiceClient
from atlas_kit.http.doors import install_doors
from atlas_kit.http.health import Check
from atlas_kit.http.identity import TokenMint, TokenVerifier
from atlas_kit.messaging.broker import Broker
from atlas_kit.messaging.group_commit import GroupCommit
from atlas_kit.process.tasks import Workers
from atlas_stripe.envelope import MAX_BODY_BYTES
from atlas_stripe.signature import SignatureVerifier
from webhook_ingest.adapters.bucket import Bucket
from webhook_ingest.adapters.ledger import EntitlementsLedger
from webhook_ingest.adapters.own_account import OwnAccount
from webhook_ingest.adapters.parked_reader import ParkedReader
from webhook_ingest.adapters.pull_state import PullState
from webhook_ingest.adapters.stripe_events import StripeEvents
from webhook_ingest.adapters.told_before import ToldBefore, ledger_of
from webhook_ingest.adapters.webhook_shares import WebhookShares
from webhook_ingest.entrypoints.operator import IMPORT_GRANTS, MAX_GRANTS_BYTES, operator_routes
from webhook_ingest.entrypoints.pull_schedule import PullSchedule
from webhook_ingest.entrypoints.webhook import WEBHOOK_PATH, WebhookEndpoint
from webhook_ingest.settings import IngestSettings
from webhook_ingest.use_cases.admit import Door
from webhook_ingest.use_cases.read_missed_events import Pull
from webhook_ingest.use_cases.refresh_old_payments import refresh_old_payments


def build(settings: IngestSettings) -> ASGIApp:
    """The service, ready to be served; nothing is connected before the application starts."""
    broker = Broker(
        settings.nats_url,
        INGEST_SERVICE,
        inbox_prefix=settings.nats_inbox_prefix,
        streams=(BILLING, PARKED),
        replicas=settings.nats_stream_replicas,
    )
    bucket = Bucket(broker, settings.nats_stream_replicas)
    state = PullState(broker, settings.nats_stream_replicas)
    shares = WebhookShares(bucket)
    mint = TokenMint(settings.internal_auth_secret, INGEST_SERVICE)
    entitlements = ServiceClient(settings.entitlements_url, ENTITLEMENTS_SERVICE, mint)
    checkout = ServiceClient(settings.checkout_url, CHECKOUT_SERVICE, mint)
    stripe = StripeEvents(settings.stripe_secret_key, settings.stripe_api_base)
    door = Door(
        settings.livemode,
        GroupCommit(broker, BILLING),
        GroupCommit(broker, PARKED),
        OwnAccount(settings.stripe_account_id, stripe.account),
        ToldBefore(ledger_of(entitlements)),
    )
    pull = Pull(stripe, door, state, partial(refresh_old_payments, entitlements, checkout))
    schedule = PullSchedule(pull, state, settings.billing_pull_interval_seconds)
    workers = Workers(pull=schedule.run, webhook_shares=shares.run)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await broker.start()
            stack.push_async_callback(broker.close)
            stack.push_async_callback(stripe.close)
            stack.push_async_callback(shares.write_last)
            await stack.enter_async_context(entitlements)
            await stack.enter_async_context(checkout)
            await stack.enter_async_context(workers)
            yield

    def checks() -> dict[str, Check]:
        return {"broker": broker.check, **workers.checks()}

    app = create_app(INGEST_SERVICE, lifespan, checks)
    install_doors(app, TokenVerifier(settings.internal_auth_secret, INGEST_SERVICE))
    app.include_router(
        operator_routes(door, ParkedReader(broker), pull, bucket, shares, EntitlementsLedger(entitlements))
    )
    verifier = SignatureVerifier(settings.webhook_secrets, settings.billing_webhook_tolerance_seconds)
    return with_edge(
        WebhookEndpoint(app, verifier, door, shares),
        body_limits=[(WEBHOOK_PATH, MAX_BODY_BYTES), (IMPORT_GRANTS, MAX_GRANTS_BYTES)],
    )
