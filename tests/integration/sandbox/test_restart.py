"""What a sandbox keeps when it is stopped, killed and started again; and what it refuses to start with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from .conftest import KEY, PRICE, eventually, free_port, params


def test_a_killed_sandbox_keeps_everything(start_sandbox, state_directory, receiver):
    port = free_port()
    options = {"port": port, "SANDBOX_WEBHOOK_URL": receiver.url, "SANDBOX_WEBHOOK_SECRET": "whsec_x"}
    sandbox = start_sandbox("--state-dir", str(state_directory), **options)
    client = sandbox.client()
    customer = client.v1.customers.create({"metadata": {"userId": "kept"}}, {"idempotency_key": "kept"})
    session = client.v1.checkout.sessions.create(params(customer=customer.id))
    sandbox.pay(session.id)
    eventually(lambda: receiver.of("checkout.session.completed"))
    sandbox.control("PUT", "/delivery", {"mode": "hold"})
    intent = client.v1.checkout.sessions.retrieve(session.id).payment_intent
    refund = client.v1.refunds.create({"payment_intent": intent})
    os.kill(sandbox.process.pid, signal.SIGKILL)
    sandbox.process.wait()

    again = start_sandbox("--state-dir", str(state_directory), **options)
    client = again.client()
    assert client.v1.customers.retrieve(customer.id).metadata.to_dict() == {"userId": "kept"}
    assert client.v1.customers.create({"metadata": {"userId": "kept"}}, {"idempotency_key": "kept"}).id == customer.id
    assert client.v1.checkout.sessions.list({"customer": customer.id}).data[0].payment_status == "paid"
    assert client.v1.refunds.list({"payment_intent": intent}).data[0].id == refund.id
    assert "checkout.session.completed" in [event.type for event in client.v1.events.list().data]
    assert len(client.v1.webhook_endpoints.list().data) == 1
    assert len(client.v1.prices.list().data) == 1
    assert again.control("GET", "/delivery")["mode"] == "hold"
    again.control("POST", "/delivery/flush")
    eventually(lambda: receiver.of("refund.created"))


def test_the_configured_endpoint_gets_the_types_it_is_told_and_further_ones_after_a_restart(start_sandbox, state_directory, receiver):
    options = {"port": free_port(), "SANDBOX_WEBHOOK_URL": receiver.url, "SANDBOX_WEBHOOK_SECRET": "whsec_x"}
    sandbox = start_sandbox("--state-dir", str(state_directory), SANDBOX_WEBHOOK_EVENTS="checkout.session.completed", **options)
    client = sandbox.client()
    session = client.v1.checkout.sessions.create(params())
    sandbox.pay(session.id)
    eventually(lambda: receiver.of("checkout.session.completed"))
    sandbox.stop()

    again = start_sandbox("--state-dir", str(state_directory), SANDBOX_WEBHOOK_EVENTS="refund.created", **options)
    [endpoint] = again.client().v1.webhook_endpoints.list().data
    assert endpoint.enabled_events == ["checkout.session.completed", "refund.created"]
    again.client().v1.refunds.create({"payment_intent": again.client().v1.checkout.sessions.retrieve(session.id).payment_intent})
    eventually(lambda: receiver.of("refund.created"))
    assert set(receiver.types()) == {"checkout.session.completed", "refund.created"}


def test_a_half_written_last_line_is_forgotten(start_sandbox, state_directory):
    sandbox = start_sandbox("--state-dir", str(state_directory))
    customer = sandbox.client().v1.customers.create({})
    sandbox.stop()
    journal = state_directory / "state.jsonl"
    assert journal.stat().st_mode & 0o077 == 0
    with journal.open("a") as file:
        file.write('["customer","cus_half",{"id":"cus_h')
    again = start_sandbox("--state-dir", str(state_directory))
    assert again.client().v1.customers.retrieve(customer.id).id == customer.id
    assert again.http("GET", "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SANDBOX_SECRET_KEY": ""}, "SANDBOX_SECRET_KEY"),
        ({"SANDBOX_SECRET_KEY": "sk_live_danger"}, "SANDBOX_SECRET_KEY"),
        ({"SANDBOX_PRICE_ID": "prod_1"}, "SANDBOX_PRICE_ID"),
        ({"SANDBOX_WEBHOOK_URL": "not a url"}, "SANDBOX_WEBHOOK_URL"),
        ({"SANDBOX_WEBHOOK_URL": "http://x.test/"}, "SANDBOX_WEBHOOK_SECRET"),
        ({"SANDBOX_WEBHOOK_SECRET": "nonsense"}, "SANDBOX_WEBHOOK_SECRET"),
        ({"SANDBOX_WEBHOOK_EVENTS": "charge.refunded, *"}, "SANDBOX_WEBHOOK_EVENTS"),
        ({"SANDBOX_WEBHOOK_EVENTS": "charge refunded"}, "SANDBOX_WEBHOOK_EVENTS"),
        ({"SANDBOX_WEBHOOK_EVENTS": " ,"}, "SANDBOX_WEBHOOK_EVENTS"),
    ],
)
def test_a_bad_configuration_is_named_and_not_shown(environment, named):
    variables = {"PATH": os.environ["PATH"], "SANDBOX_SECRET_KEY": KEY, "SANDBOX_PRICE_ID": PRICE, **environment}
    run = subprocess.run(
        [sys.executable, "-m", "stripe_sandbox", "--port", "1"], env=variables, capture_output=True, text=True
    )
    assert run.returncode == 2
    assert f"configuration: {named}: " in run.stderr
    assert not any(value and value in run.stderr for value in environment.values())
