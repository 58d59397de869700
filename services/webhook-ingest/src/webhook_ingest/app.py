"""Puts webhook-ingest together: settings, broker, Stripe, the door that every event passes, workers, routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter
from starlette.types import ASGIApp

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, INGEST_SERVICE
from atlas_contracts.streams import BILLING, PARKED
from atlas_kit.http.app import create_app, with_edge
from atlas_kit.http.client import ServiceClient
from atlas_kit.http.doors import Doors, install_doors
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
from webhook_ingest.entrypoints.figures import figures
from webhook_ingest.entrypoints.operator import IMPORT_GRANTS, MAX_GRANTS_BYTES, operator_routes
from webhook_ingest.entrypoints.pull_schedule import PullSchedule
from webhook_ingest.entrypoints.users import user_routes
from webhook_ingest.entrypoints.webhook import WEBHOOK_PATH, WebhookEndpoint
from webhook_ingest.settings import IngestSettings
from webhook_ingest.use_cases.admit import Door
from webhook_ingest.use_cases.read_missed_events import Pull
from webhook_ingest.use_cases.refresh_old_payments import refresh_old_payments


@dataclass(frozen=True, slots=True)
class Parts:
    """What lives as long as the process, made once."""

    settings: IngestSettings
    broker: Broker
    stripe: StripeEvents
    entitlements: ServiceClient
    checkout: ServiceClient
    bucket: Bucket
    shares: WebhookShares
    door: Door
    pull: Pull
    workers: Workers


def build(settings: IngestSettings) -> ASGIApp:
    """The service for these settings; nothing is connected before the application starts."""
    parts = _parts(settings)
    app = create_app(
        INGEST_SERVICE,
        lambda _app: _lifespan(parts),
        lambda: {**_checks(parts), **parts.workers.checks()},
        figures=figures(parts.broker, ParkedReader(parts.broker), parts.pull.state),
    )
    install_doors(app, Doors(TokenVerifier(settings.internal_trusted_keys, INGEST_SERVICE)))
    for router in _routers(parts):
        app.include_router(router)
    verifier = SignatureVerifier(settings.webhook_secrets, settings.billing_webhook_tolerance_seconds)
    webhook = WebhookEndpoint(app, verifier, parts.door, parts.shares)
    return with_edge(webhook, body_limits=[(WEBHOOK_PATH, MAX_BODY_BYTES), (IMPORT_GRANTS, MAX_GRANTS_BYTES)])


def _parts(settings: IngestSettings) -> Parts:
    broker, mint = _broker(settings), TokenMint(settings.internal_signing_key, INGEST_SERVICE)
    stripe = StripeEvents(settings.stripe_secret_key, settings.stripe_api_base)
    entitlements = ServiceClient(settings.entitlements_url, ENTITLEMENTS_SERVICE, mint)
    checkout = ServiceClient(settings.checkout_url, CHECKOUT_SERVICE, mint)
    bucket = Bucket(broker, settings.nats_stream_replicas)
    state = PullState(broker, settings.nats_stream_replicas)
    shares = WebhookShares(bucket)
    door = _door(settings, broker, stripe, entitlements)
    pull = Pull(stripe, door, state, partial(refresh_old_payments, entitlements, checkout))
    schedule = PullSchedule(pull, state, settings.billing_pull_interval_seconds)
    return Parts(
        settings=settings,
        broker=broker,
        stripe=stripe,
        entitlements=entitlements,
        checkout=checkout,
        bucket=bucket,
        shares=shares,
        door=door,
        pull=pull,
        workers=Workers(pull=schedule.run, webhook_shares=shares.run),
    )


@asynccontextmanager
async def _lifespan(parts: Parts) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        await parts.broker.start()
        stack.push_async_callback(parts.broker.close)
        stack.push_async_callback(parts.stripe.close)
        stack.push_async_callback(parts.shares.write_last)
        await stack.enter_async_context(parts.entitlements)
        await stack.enter_async_context(parts.checkout)
        await stack.enter_async_context(parts.workers)
        yield


def _checks(parts: Parts) -> Mapping[str, Check]:
    return {"broker": parts.broker.check}


def _routers(parts: Parts) -> list[APIRouter]:
    """All but the webhook's, which is asked before the application (`entrypoints/webhook.py`)."""
    parked, ledger = ParkedReader(parts.broker), EntitlementsLedger(parts.entitlements)
    return [
        operator_routes(parts.door, parked, parts.pull, parts.bucket, parts.shares, ledger),
        user_routes(parked, parts.door.parked),
    ]


def _broker(settings: IngestSettings) -> Broker:
    return Broker(
        settings.nats_url,
        INGEST_SERVICE,
        inbox_prefix=settings.nats_inbox_prefix,
        streams=settings.kept(BILLING, PARKED),
        replicas=settings.nats_stream_replicas,
    )


def _door(settings: IngestSettings, broker: Broker, stripe: StripeEvents, entitlements: ServiceClient) -> Door:
    return Door(
        settings.livemode,
        GroupCommit(broker, BILLING),
        GroupCommit(broker, PARKED),
        OwnAccount(settings.stripe_account_id, stripe.account),
        ToldBefore(ledger_of(entitlements)),
    )
