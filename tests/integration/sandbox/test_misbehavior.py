"""The API, slow and failing on demand, and what it remembers of the calls."""

from __future__ import annotations

import time
import uuid

import pytest
import stripe

from .conftest import PRICE, params


def test_latency_slows_every_call(sandbox, client):
    assert sandbox.control("PUT", "/api", {"latency_ms": 300})["latency_ms"] == 300
    for call in (lambda: client.v1.customers.create({}), lambda: client.v1.prices.retrieve(PRICE)):
        before = time.monotonic()
        call()
        assert time.monotonic() - before >= 0.29


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, stripe.APIError), (503, stripe.APIError), (429, stripe.RateLimitError), (401, stripe.AuthenticationError)],
)
def test_the_next_calls_fail_with_the_given_status(sandbox, client, status, kind):
    sandbox.control("PUT", "/api", {"fail_next": 2, "status": status})
    for _ in range(2):
        with pytest.raises(kind) as caught:
            client.v1.prices.retrieve(PRICE)
        assert caught.value.http_status == status
    assert client.v1.prices.retrieve(PRICE).id == PRICE
    assert sandbox.control("GET", "/api")["fail_next"] == 0


def test_a_failure_before_the_effect_has_none_and_one_after_it_has(sandbox, client):
    for after, found in ((False, 0), (True, 1)):
        email = f"{uuid.uuid4()}@example.com"
        sandbox.control("PUT", "/api", {"fail_next": 1, "after_effect": after})
        with pytest.raises(stripe.APIError):
            client.v1.customers.create({"email": email})
        assert len(client.v1.customers.list({"email": email}).data) == found


def test_zero_resets(sandbox, client):
    sandbox.control("PUT", "/api", {"fail_next": 5})
    assert sandbox.control("PUT", "/api", {"fail_next": 0}) == {
        "latency_ms": 0,
        "fail_next": 0,
        "status": 500,
        "after_effect": False,
    }
    assert client.v1.prices.retrieve(PRICE)


def test_the_control_surface_itself_never_misbehaves(sandbox):
    sandbox.control("PUT", "/api", {"fail_next": 3, "latency_ms": 5000})
    before = time.monotonic()
    sandbox.control("GET", "/delivery")
    assert time.monotonic() - before < 1


def test_requests_are_remembered_in_order_with_nested_parameters(sandbox, client):
    sandbox.control("DELETE", "/requests")
    client.v1.checkout.sessions.create(
        params(metadata={"userId": "u", "0": "z"}, expand=["line_items"]), {"idempotency_key": f"seen-{time.time_ns()}"}
    )
    with pytest.raises(stripe.StripeError):
        client.v1.customers.retrieve("cus_none")
    client.v1.events.list({"types": ["refund.created"], "created": {"gte": 1}})
    first, second, third = sandbox.control("GET", "/requests")["data"]
    assert (first["method"], first["path"], first["status"]) == ("POST", "/v1/checkout/sessions", 200)
    assert first["params"]["line_items"] == [{"price": PRICE, "quantity": "1"}]
    assert first["params"]["metadata"] == {"userId": "u", "0": "z"}
    assert first["params"]["expand"] == ["line_items"]
    assert first["idempotencyKey"].startswith("seen-")
    assert first["stripeVersion"] == stripe.api_version
    assert first["at"].endswith("Z")
    assert (second["path"], second["status"]) == ("/v1/customers/cus_none", 404)
    assert third["params"] == {"types": ["refund.created"], "created": {"gte": "1"}}
    assert sandbox.control("DELETE", "/requests") == {"data": []}
    assert sandbox.control("GET", "/requests") == {"data": []}
