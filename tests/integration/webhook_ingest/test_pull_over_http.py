"""Webhooks dead for a day, and one pull: the official SDK against the sandbox, the service as a process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
import stripe

from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.ingest import Ingest, eventually, running_ingest

KEY, PRICE = "sk_test_pull", "price_pro"


@pytest.fixture
def sandbox_port() -> int:
    return free_port()


@pytest.fixture
def sandbox(sandbox_port: int) -> Iterator[str]:
    environment = {"PATH": os.environ["PATH"], "SANDBOX_SECRET_KEY": KEY, "SANDBOX_PRICE_ID": PRICE}
    process = subprocess.Popen(
        [sys.executable, "-m", "stripe_sandbox", "--port", str(sandbox_port)], env=environment
    )
    url = f"http://{LOOPBACK}:{sandbox_port}"

    def answers() -> bool:
        assert process.poll() is None
        with contextlib.suppress(urllib.error.HTTPError):
            with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(url, timeout=2):
                return True
            return False
        return True

    try:
        eventually(answers)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _control(url: str, path: str, body: dict) -> None:
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()


def _buy(url: str, user: str) -> str:
    client = stripe.StripeClient(KEY, base_addresses={"api": url})
    metadata = {"userId": user, "productKey": "pro_lifetime_v1"}
    session = client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price": PRICE, "quantity": 1}],
            "success_url": "https://atlas.example/account",
            "client_reference_id": user,
            "metadata": metadata,
            "payment_intent_data": {"metadata": metadata},
        }
    )
    _control(url, f"/_sandbox/checkout/{session.id}/pay", {"outcome": "paid"})
    return session.id


def _pull(ingest: Ingest, **body: object) -> list[dict]:
    answer = ingest.operator("POST", "/operator/pull", body)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.body.splitlines()]


def test_with_the_webhooks_dead_one_pull_brings_everything_once(nats_url: str, sandbox: str) -> None:
    sessions = [_buy(sandbox, f"user_{n}") for n in range(120)]
    with running_ingest(nats_url, STRIPE_SECRET_KEY=KEY, STRIPE_API_BASE=sandbox) as ingest:
        dry = _pull(ingest, sinceSeconds=3600, dryRun=True)
        assert dry[-1]["counts"] == {"found": 120}
        assert ingest.stored() == []
        assert _pull(ingest)[-1]["counts"] == {"accepted": 120}
        stored = ingest.stored()
        assert {event["data"]["refs"]["checkoutSessionId"] for event in stored} == set(sessions)
        assert {event["data"]["via"] for event in stored} == {"pull"}
        again = _pull(ingest)
        assert again[-1]["counts"] == {"duplicate": 120}
        assert 0 <= ingest.metric("atlas_pull_drift_seconds") < 60


def test_the_schedule_pulls_by_itself(nats_url: str, sandbox: str) -> None:
    _buy(sandbox, "user_1")
    changes = {"STRIPE_SECRET_KEY": KEY, "STRIPE_API_BASE": sandbox, "BILLING_PULL_INTERVAL_SECONDS": "300"}
    with running_ingest(nats_url, **changes) as ingest:
        eventually(lambda: ingest.metric('atlas_pulled_events_total{outcome="accepted"}') == 1)
        assert len(ingest.stored()) == 1


def test_when_stripe_does_not_answer_the_pull_says_so_and_webhooks_go_on(nats_url: str) -> None:
    from support.stripe_events import purchase

    with running_ingest(nats_url) as ingest:
        lines = _pull(ingest, sinceSeconds=60)
        assert lines[-1]["stage"] == "failed"
        assert lines[-1]["error"]["recovery"] == "retry_later"
        assert "127.0.0.1" not in json.dumps(lines)
        assert ingest.deliver(purchase()).status == 200


@pytest.mark.parametrize("body", [{"sinceSeconds": 0}, {"sinceSeconds": 10**9}, {"sinceSeconds": "x"}, {"dryRun": "maybe"}])
def test_a_senseless_request_to_pull_is_refused(shared_ingest: Ingest, body: dict) -> None:
    assert shared_ingest.operator("POST", "/operator/pull", body).status == 400


