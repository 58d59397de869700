"""Every FastStream subscriber of every service: none may answer, none acknowledges by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.identity import ANY_KEY, TRUSTED

ENVIRON = {
    "INTERNAL_SIGNING_KEY": ANY_KEY,
    "INTERNAL_TRUSTED_KEYS": TRUSTED,
    "NATS_URL": "nats://user:pw@127.0.0.1:9",
    "NATS_INBOX_PREFIX": "_INBOX_ours",
    "DATABASE_URL": "postgresql://u:p@127.0.0.1:9/d",
    "STRIPE_SECRET_KEY": "sk_test_abc",
    "STRIPE_PRICE_PRO_LIFETIME": "price_abc",
    "STRIPE_WEBHOOK_SECRET": "whsec_abcdefghijklmnop",
    "NEXTAUTH_URL": "https://atlas.example",
    "NEXTAUTH_SECRET": "a session secret that is long enough 0123456789",
    "CHECKOUT_URL": "http://127.0.0.1:9",
    "ENTITLEMENTS_URL": "http://127.0.0.1:9",
}
LISTENS_TO = {
    "entitlements.app:build": ["billing.v1.>"],
    "account_gateway.app:build": ["entitlements.v1.>"],
    "checkout.app:build": [],
    "webhook_ingest.app:build": [],
}
LOOK = """
import asyncio, gc, importlib, json, os, sys, typing
from faststream.nats import NatsBroker
from atlas_kit.process.settings import load

async def look():
    module, _, function = sys.argv[1].partition(":")
    build = getattr(importlib.import_module(module), function)
    service = build(load(typing.get_type_hints(build)["settings"], dict(os.environ)))
    brokers = [each for each in gc.get_objects() if isinstance(each, NatsBroker)]  # whoever made it
    return service, [
        {
            "subject": subscriber.subject.template,
            "no_reply": subscriber._no_reply,
            "ack_policy": subscriber.ack_policy.name,
            "broker": type(broker).__name__,
            "inbox": getattr(broker, "service", None) and broker.service.inbox_prefix,
        }
        for broker in brokers for subscriber in broker.subscribers
    ]

print(json.dumps(asyncio.run(look())[1]))
"""


def subscribers(service: str) -> list[dict[str, Any]]:
    """Of a service as it is put together, in a process of its own."""
    environ = ENVIRON | {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    output = subprocess.run([sys.executable, "-c", LOOK, service], env=environ, stdout=subprocess.PIPE, check=True)
    found: list[dict[str, Any]] = json.loads(output.stdout)
    return found


@pytest.mark.parametrize("service", LISTENS_TO)
def test_no_subscriber_answers_or_acknowledges_by_itself_or_opens_a_connection(service: str) -> None:
    found = subscribers(service)
    assert [one["subject"] for one in found] == LISTENS_TO[service]
    for one in found:
        assert one["no_reply"], f"{one['subject']}: it would answer on the publisher's reply subject"
        assert (one["ack_policy"], one["broker"], one["inbox"]) == ("MANUAL", "Listeners", "_INBOX_ours")


def test_what_listens_is_made_in_one_place() -> None:
    """A subscription made beside FastStream would escape the list above."""
    places = {
        path.as_posix()
        for root in ("services", "shared/kit")
        for path in Path(root).rglob("*.py")
        if ".subscribe(" in path.read_text() or "pull_subscribe(" in path.read_text()
    }
    assert places == {
        "shared/kit/src/atlas_kit/messaging/listening/batches.py",
        "shared/kit/src/atlas_kit/messaging/asking.py",  # the broker's answers to what this process publishes
        "services/webhook-ingest/src/webhook_ingest/adapters/parked_reader.py",  # an operator's question: reads PARKED and ends
        "shared/kit/src/atlas_kit/messaging/snapshots/__init__.py",  # the operator's backup: the pieces of one stream, and ends
    }
