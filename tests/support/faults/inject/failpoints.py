"""Where a service may be killed, to the line: SIGKILL right before or right after a call returns.

The functions are wrapped as their modules are imported, in this process only. A point fires when its name stands in
the file; whoever fires it renames the file first, so it fires once, whatever is restarted.
"""

import functools
import inspect
import os
import signal
from typing import NamedTuple

import imports
from sabotages import SABOTAGES

BEFORE, AFTER = "before", "after"


class Point(NamedTuple):
    service: str
    module: str
    function: str
    when: str


POINTS = {
    # The door
    "ingest: pulled, cursor not moved": Point("webhook_ingest", "webhook_ingest.adapters.pull_state", "PullState.advance", BEFORE),
    "ingest: verified, not published": Point("webhook_ingest", "atlas_stripe.signature", "SignatureVerifier.verify", AFTER),
    "ingest: about to publish": Point("webhook_ingest", "atlas_kit.messaging.asking", "AskingClient.ask", BEFORE),
    "ingest: published, not answered": Point("webhook_ingest", "webhook_ingest.use_cases.admit", "Door.admit", AFTER),
    "ingest: grant published, not answered": Point("webhook_ingest", "webhook_ingest.use_cases.adjust", "adjust", AFTER),
    # The ledger
    "entitlements: ledger inserted, not folded": Point("entitlements", "entitlements.adapters.ledger", "Appending.appended", BEFORE),
    "entitlements: folded, not committed": Point("entitlements", "entitlements.use_cases.fold", "fold", AFTER),
    "entitlements: committed, not acknowledged": Point("entitlements", "nats.aio.msg", "Msg.ack", BEFORE),
    "entitlements: acknowledged, nobody told": Point("entitlements", "entitlements.entrypoints.projector", "Projector._report", BEFORE),
    "entitlements: about to announce": Point("entitlements", "atlas_kit.messaging.outbox", "OutboxRelay._publish", BEFORE),
    "entitlements: announced, not deleted": Point("entitlements", "atlas_kit.messaging.outbox", "OutboxRelay._publish", AFTER),
    "entitlements: about to write the entry": Point("entitlements", "entitlements.adapters.state_bucket", "StateBucket.store_all", BEFORE),
    "entitlements: entry written, not deleted": Point("entitlements", "entitlements.adapters.state_bucket", "StateBucket.store_all", AFTER),
    # The conversation with Stripe
    "checkout: customer made, not stored": Point("checkout", "checkout.adapters.stripe_gateway", "StripeGateway.create_customer", AFTER),
    "checkout: attempt begun, Stripe not asked": Point("checkout", "checkout.adapters.attempts", "begin_attempt", AFTER),
    "checkout: session made, not recorded": Point("checkout", "checkout.adapters.stripe_gateway", "StripeGateway.create_session", AFTER),
    "checkout: session recorded, not answered": Point("checkout", "checkout.adapters.attempts", "record_session", AFTER),
    "checkout: sale announced, not deleted": Point("checkout", "atlas_kit.messaging.outbox", "OutboxRelay._publish", AFTER),
    "checkout: confirm read, not published": Point("checkout", "checkout.use_cases.read_payment", "read_payment", AFTER),
    "checkout: confirm published, not answered": Point("checkout", "checkout.adapters.publishing", "publish_facts", AFTER),
    "checkout: restore read, not published": Point("checkout", "checkout.use_cases.find_payments", "find_payments", AFTER),
    "checkout: restored, not recorded": Point("checkout", "checkout.use_cases.restore", "_restore", AFTER),
    # The edge
    "gateway: session made, not answered": Point("account_gateway", "account_gateway.entrypoints.api.checkout", "start_checkout", AFTER),
    "gateway: entitlement read, not answered": Point("account_gateway", "account_gateway.adapters.lean_client", "LeanClient.get", AFTER),
}  # fmt: skip


def install(path, service, sabotage=None):
    """Let this process die at the points of its service, and work as badly as it is told to."""
    changes = {}
    if sabotage:
        module, change = SABOTAGES[sabotage]
        changes.setdefault(module, []).append(change)
    for name, point in POINTS.items():
        if point.service == service:
            changes.setdefault(point.module, []).append(functools.partial(_wrap, name=name, point=point, path=path))
    if service in {point.service for point in POINTS.values()}:
        imports.change_modules(changes)


def _wrap(module, name, point, path):
    *owners, attribute = point.function.split(".")
    owner = functools.reduce(getattr, owners, module)
    function = getattr(owner, attribute)
    before = point.when == BEFORE

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapped(*args, **kwargs):
            if before:
                _die_if_asked(path, name)
            result = await function(*args, **kwargs)
            if not before:
                _die_if_asked(path, name)
            return result

    else:

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            if before:
                _die_if_asked(path, name)
            result = function(*args, **kwargs)
            if not before:
                _die_if_asked(path, name)
            return result

    setattr(owner, attribute, wrapped)


def _die_if_asked(path, name):
    try:
        with open(path) as file:
            if file.read() != name:
                return
        os.rename(path, f"{path}.fired")
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
