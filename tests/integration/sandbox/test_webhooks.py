"""Events and their journey: signatures, retries, and every way to disturb it."""

from __future__ import annotations

import time

import pytest
import stripe

from .conftest import PRICE, eventually


def test_a_delivery_is_signed_as_the_sdk_verifies_it(client, endpoint, receiver):
    client.v1.customers.create({"name": "Zoë — ✓"})
    got = eventually(lambda: receiver.of("customer.created"))[0]
    assert stripe.WebhookSignature.verify_header(
        got.body.decode(), got.headers["stripe-signature"], endpoint.secret, 300
    )
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(got.body.decode(), got.headers["stripe-signature"], "whsec_other", 300)
    event = stripe.Webhook.construct_event(got.body, got.headers["stripe-signature"], endpoint.secret)
    assert (event.object, event.api_version, event.livemode, event.pending_webhooks) == (
        "event",
        stripe.api_version,
        False,
        1,
    )
    assert event.data.object.name == "Zoë — ✓"
    assert got.headers["content-type"] == "application/json; charset=utf-8"


def test_an_event_names_the_request_that_caused_it(sandbox, client, new_session, endpoint, receiver):
    made = client.v1.customers.create({}, {"idempotency_key": f"cause-{time.time_ns()}"})
    sandbox.pay(new_session().id)
    event = eventually(lambda: receiver.of("customer.created"))[0].event
    assert event["request"]["id"] == made.last_response.request_id
    assert event["request"]["idempotency_key"].startswith("cause-")
    by_buyer = eventually(lambda: receiver.of("checkout.session.completed"))[0].event
    assert by_buyer["request"] == {"id": None, "idempotency_key": None}


def test_a_purchase_tells_all_that_stripe_tells(client, paid, endpoint, receiver):
    paid(customer_creation="always", invoice_creation={"enabled": True})
    wanted = {
        "customer.created", "payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed",
        "invoice.created", "invoice.finalized", "invoice.paid", "invoice.payment_succeeded",
    }  # fmt: skip
    eventually(lambda: wanted <= set(receiver.types()))


def test_an_endpoint_gets_only_what_it_asked_for(client, receiver):
    made = client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": ["product.created", "price.created"]}
    )
    client.v1.customers.create({})
    client.v1.prices.create({"unit_amount": 100, "currency": "usd", "product_data": {"name": "P"}})
    eventually(lambda: sorted(receiver.types()) == ["price.created", "product.created"])
    client.v1.webhook_endpoints.update(made.id, {"disabled": True})
    client.v1.products.create({"name": "Unheard"})
    client.v1.webhook_endpoints.delete(made.id)
    assert len(receiver.received) == 2


@pytest.mark.parametrize("status", [301, 400, 500, 503])
def test_anything_but_2xx_is_retried_with_a_fresh_signature(client, endpoint, receiver, status):
    receiver.answers = [status, status]
    client.v1.customers.create({"name": "Retry"})
    eventually(lambda: len(receiver.received) == 3)
    first, _, last = receiver.received
    assert first.body == last.body
    assert receiver.received[1].at - first.at < 1.5, "the first retry comes within about a second"
    for each in receiver.received:
        stamp = int(each.headers["stripe-signature"].split(",")[0].removeprefix("t="))
        assert abs(stamp - each.at) < 2
        assert stripe.WebhookSignature.verify_header(
            each.body.decode(), each.headers["stripe-signature"], endpoint.secret, 5
        )


def test_an_endpoint_that_comes_back_gets_everything(sandbox, client, receiver):
    url = receiver.url
    made = client.v1.webhook_endpoints.create(
        {"url": "http://127.0.0.1:9/nobody", "enabled_events": ["customer.created"]}
    )
    customer = client.v1.customers.create({})
    event = client.v1.events.list({"type": "customer.created", "limit": 1}).data[0]
    assert event.data.object.id == customer.id
    assert event.pending_webhooks == 1
    assert event.id in [each.id for each in client.v1.events.list({"delivery_success": False}).data]
    client.v1.webhook_endpoints.update(made.id, {"url": url})
    eventually(lambda: receiver.of("customer.created"))
    eventually(lambda: client.v1.events.retrieve(event.id).pending_webhooks == 0)
    assert event.id in [each.id for each in client.v1.events.list({"delivery_success": True}).data]
    client.v1.webhook_endpoints.delete(made.id)


def test_held_events_wait_for_the_flush_and_may_come_shuffled(sandbox, client, endpoint, receiver):
    assert sandbox.control("PUT", "/delivery", {"mode": "hold", "shuffle": True})["mode"] == "hold"
    made = [client.v1.customers.create({"name": str(n)}).id for n in range(30)]
    assert sandbox.control("GET", "/delivery")["counts"]["held"] == 30
    assert client.v1.events.list({"limit": 1}).data[0].pending_webhooks >= 1
    assert receiver.received == []
    assert sandbox.control("POST", "/delivery/flush")["released"] >= 30
    eventually(lambda: len(receiver.received) == 30)
    came = [each.event["data"]["object"]["id"] for each in receiver.received]
    assert sorted(came) == sorted(made)
    assert came != made
    client.v1.customers.create({})
    assert sandbox.control("GET", "/delivery")["counts"]["held"] == 1, "a flush lets the mode be"


def test_back_to_normal_lets_go_of_what_was_held(sandbox, client, endpoint, receiver):
    sandbox.control("PUT", "/delivery", {"mode": "hold"})
    client.v1.customers.create({})
    sandbox.control("PUT", "/delivery", {"mode": "normal"})
    eventually(lambda: len(receiver.received) == 1)


def test_dropped_events_never_come_but_can_be_listed(sandbox, client, endpoint, receiver):
    sandbox.control("PUT", "/delivery", {"mode": "drop"})
    customer = client.v1.customers.create({"name": "Lost"})
    sandbox.control("PUT", "/delivery", {"mode": "normal"})
    sandbox.control("POST", "/delivery/flush")
    client.v1.customers.create({"name": "Found"})
    eventually(lambda: receiver.received)
    assert [each.event["data"]["object"]["name"] for each in receiver.received] == ["Found"]
    lost = client.v1.events.list({"types": ["customer.created"], "delivery_success": False, "limit": 1}).data[0]
    assert lost.data.object.id == customer.id
    sandbox.control("POST", f"/events/{lost.id}/resend")
    eventually(lambda: len(receiver.received) == 2)


def test_duplicates_are_the_same_event_again(sandbox, client, endpoint, receiver):
    sandbox.control("PUT", "/delivery", {"duplicate": 3})
    client.v1.customers.create({})
    eventually(lambda: len(receiver.received) == 4)
    assert len({each.event["id"] for each in receiver.received}) == 1


def test_delay_holds_the_first_attempt_back(sandbox, client, endpoint, receiver):
    sandbox.control("PUT", "/delivery", {"delay_ms": 600})
    before = time.time()
    client.v1.customers.create({})
    got = eventually(lambda: receiver.received)[0]
    assert got.at - before >= 0.55


def test_many_deliveries_run_side_by_side_but_not_without_limit(sandbox, client, endpoint, receiver):
    sandbox.control("PUT", "/delivery", {"mode": "hold"})
    for number in range(60):
        client.v1.customers.create({"name": str(number)})
    receiver.busy_seconds = 0.3
    sandbox.control("PUT", "/delivery", {"mode": "normal"})
    eventually(lambda: len(receiver.received) == 60)
    assert 8 <= receiver.most_at_once <= 32


def test_a_rolled_secret_signs_beside_the_former_one(sandbox, client, endpoint, receiver):
    fresh = sandbox.control("POST", f"/webhook_endpoints/{endpoint.id}/roll")["secret"]
    client.v1.customers.create({})
    got = eventually(lambda: receiver.received)[0]
    assert got.headers["stripe-signature"].count("v1=") == 2
    for secret in (fresh, endpoint.secret):
        assert stripe.WebhookSignature.verify_header(got.body.decode(), got.headers["stripe-signature"], secret, 300)


def test_the_configured_endpoint_is_there_from_the_start(start_sandbox, receiver):
    sandbox = start_sandbox(SANDBOX_WEBHOOK_URL=receiver.url, SANDBOX_WEBHOOK_SECRET="whsec_first, whsec_second")
    client = sandbox.client()
    configured = client.v1.webhook_endpoints.list().data[0]
    assert (configured.url, configured.status, configured.api_version) == (receiver.url, "enabled", stripe.api_version)
    assert configured.enabled_events == ["*"]
    session = client.v1.checkout.sessions.create(
        {"mode": "payment", "line_items": [{"price": PRICE, "quantity": 1}], "success_url": "http://shop.test/"}
    )
    sandbox.pay(session.id)
    got = eventually(lambda: receiver.of("checkout.session.completed"))[0]
    assert stripe.WebhookSignature.verify_header(got.body.decode(), got.headers["stripe-signature"], "whsec_first", 300)
    assert got.headers["stripe-signature"].count("v1=") == 1


def test_event_lists_filter_by_type(client, paid):
    paid()
    listed = client.v1.events.list({"types": ["charge.succeeded", "checkout.session.completed"], "limit": 2}).data
    assert {event.type for event in listed} == {"charge.succeeded", "checkout.session.completed"}
    assert {event.type for event in client.v1.events.list({"type": "charge.*"}).data} <= {
        "charge.succeeded",
        "charge.failed",
        "charge.refunded",
        "charge.updated",
        "charge.pending",
        "charge.refund.updated",
    } | {f"charge.dispute.{n}" for n in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.events.list({"types": [f"t.{n}" for n in range(21)]})


def test_a_snapshot_in_an_event_does_not_change_later(client, paid):
    session = paid()
    client.v1.refunds.create({"payment_intent": session.payment_intent.id})
    told = client.v1.events.list({"type": "charge.succeeded", "limit": 1}).data[0]
    assert told.data.object.amount_refunded == 0
