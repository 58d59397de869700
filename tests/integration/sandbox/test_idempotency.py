"""Idempotency keys: replays, refusals, and calls at the same time."""

from __future__ import annotations

import threading
import uuid

import pytest
import stripe

from .conftest import params


def key(name: str) -> dict[str, str]:
    return {"idempotency_key": f"{name}-{uuid.uuid4()}"}


def test_the_same_key_and_parameters_replay_the_first_answer(client):
    options = key("replay")
    first = client.v1.customers.create({"email": "one@example.com"}, options)
    second = client.v1.customers.create({"email": "one@example.com"}, options)
    assert first.id == second.id
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert second.last_response.headers["Idempotent-Replayed"] == "true"
    assert second.last_response.headers["Original-Request"] == first.last_response.request_id
    assert first.last_response.headers["Original-Request"] == first.last_response.request_id
    assert second.last_response.headers["Idempotency-Key"] == options["idempotency_key"]


def test_a_replay_shows_the_first_answer_even_after_changes(client):
    options = key("frozen")
    customer = client.v1.customers.create({"name": "Before"}, options)
    client.v1.customers.update(customer.id, {"name": "After"})
    assert client.v1.customers.create({"name": "Before"}, options).name == "Before"


def test_other_parameters_are_refused(client):
    options = key("other")
    client.v1.customers.create({"email": "one@example.com"}, options)
    with pytest.raises(stripe.IdempotencyError) as caught:
        client.v1.customers.create({"email": "two@example.com"}, options)
    assert caught.value.http_status == 400
    assert caught.value.error.type == "idempotency_error"


def test_another_path_is_refused(client):
    options = key("path")
    client.v1.customers.create({}, options)
    with pytest.raises(stripe.IdempotencyError):
        client.v1.products.create({"name": "x"}, options)


def test_refusals_of_the_use_case_are_replayed_but_bad_parameters_are_not_remembered(client):
    options = key("error")
    for replayed in (None, "true"):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.checkout.sessions.create(params(customer="cus_none"), options)
        assert caught.value.headers.get("Idempotent-Replayed") == replayed
    options = key("fresh")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"bogus": "1"}, options)
    assert client.v1.customers.create({}, options).id


def test_a_key_in_use_answers_409_and_effects_happen_once(sandbox, client):
    sandbox.control("PUT", "/api", {"latency_ms": 400})
    options, outcomes = key("busy"), []

    def create() -> None:
        try:
            outcomes.append(sandbox.client().v1.customers.create({"name": "Busy"}, options).id)
        except stripe.StripeError as error:
            outcomes.append((error.http_status, error.error.code))

    threads = [threading.Thread(target=create) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count((409, "idempotency_key_in_use")) == 4
    assert len({each for each in outcomes if isinstance(each, str)}) == 1


def test_concurrent_calls_with_retries_end_with_one_object(sandbox):
    sandbox.control("PUT", "/api", {"latency_ms": 100})
    options, ids = key("retry"), []

    def create() -> None:
        patient = stripe.StripeClient(
            "sk_test_atlas_sandbox", base_addresses={"api": sandbox.url}, max_network_retries=5
        )
        ids.append(patient.v1.checkout.sessions.create(params(), options).id)

    threads = [threading.Thread(target=create) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 10
    assert len(set(ids)) == 1


def test_a_server_error_after_the_effect_is_replayed(sandbox, client):
    sandbox.control("PUT", "/api", {"fail_next": 1, "status": 500, "after_effect": True})
    options, email = key("after"), f"{uuid.uuid4()}@example.com"
    for _ in range(2):
        with pytest.raises(stripe.APIError) as caught:
            client.v1.customers.create({"email": email}, options)
        assert caught.value.http_status == 500
        assert caught.value.headers["Stripe-Should-Retry"] == "false"
    assert len(client.v1.customers.list({"email": email}).data) == 1


def test_a_failure_before_the_effect_is_not_remembered(sandbox, client):
    sandbox.control("PUT", "/api", {"fail_next": 1, "status": 503})
    options = key("before")
    with pytest.raises(stripe.APIError):
        client.v1.customers.create({}, options)
    assert client.v1.customers.create({}, options).id
