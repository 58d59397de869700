"""The official SDK gets Stripe's own refusals."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request

import pytest
import stripe

from .conftest import KEY, PRICE, params


def refusal(call) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call()
    return caught.value


def test_a_wrong_key_is_refused(sandbox):
    error = refusal(lambda: sandbox.client("sk_test_somebody_elses_key").v1.balance.retrieve())
    assert isinstance(error, stripe.AuthenticationError)
    assert error.http_status == 401
    assert "Invalid API Key provided: sk_test_****" in error.user_message
    assert "somebody" not in error.user_message


def test_a_missing_key_is_refused(sandbox):
    status, answer = sandbox.http("GET", "/v1/balance")
    assert status == 401
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["message"].startswith("You did not provide an API key.")


def test_the_key_may_come_as_basic_authentication(sandbox):
    request = urllib.request.Request(sandbox.url + "/v1/account")
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{KEY}:".encode()).decode())
    with urllib.request.urlopen(request) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"bogus": "1"}, "bogus", "parameter_unknown"),
        ({"payment_intent_data": {"nonsense": "1"}}, "payment_intent_data[nonsense]", "parameter_unknown"),
        (
            {"line_items": [{"price": PRICE, "quantity": 1, "colour": "red"}]},
            "line_items[0][colour]",
            "parameter_unknown",
        ),
        ({"payment_method_types": ["card"]}, "payment_method_types", "parameter_unknown"),
        (
            {"line_items": [{"price": PRICE, "quantity": "many"}]},
            "line_items[0][quantity]",
            "parameter_invalid_integer",
        ),
        ({"line_items": [{"price": "price_none", "quantity": 1}]}, "line_items[0][price]", "resource_missing"),
        ({"line_items": [{"price": PRICE}]}, "line_items[0][quantity]", "parameter_missing"),
        ({"line_items": []}, "line_items", "parameter_missing"),
        ({"customer": "cus_none"}, "customer", "resource_missing"),
        ({"customer": ""}, "customer", "parameter_invalid_empty"),
        ({"invoice_creation": {"invoice_data": {"footer": "x"}}}, "invoice_creation[enabled]", "parameter_missing"),
        ({"mode": "gift"}, "mode", None),
        ({"allow_promotion_codes": "perhaps"}, "allow_promotion_codes", None),
        ({"success_url": "javascript:alert(1)"}, "success_url", "url_invalid"),
        ({"expires_at": 1}, "expires_at", None),
        ({"expires_at": 99_999_999_999}, "expires_at", None),
        ({"customer_email": "nobody"}, "customer_email", "email_invalid"),
        ({"metadata": {"k" * 41: "v"}}, "metadata", None),
        ({"metadata": {"k": "v" * 501}}, "metadata[k]", None),
        ({"metadata": {f"k{n}": "v" for n in range(51)}}, "metadata", None),
    ],
)
def test_a_bad_parameter_is_named(client, given, param, code):
    sent = {key: value for key, value in params(**given).items() if value != []}
    error = refusal(lambda: client.v1.checkout.sessions.create(sent))
    assert isinstance(error, stripe.InvalidRequestError)
    assert (error.http_status, error.param, error.code) == (400, param, code)


@pytest.mark.parametrize("missing", ["mode", "success_url"])
def test_a_missing_parameter_is_named(client, missing):
    sent = params()
    del sent[missing]
    error = refusal(lambda: client.v1.checkout.sessions.create(sent))
    assert (error.param, error.code, error.user_message) == (
        missing,
        "parameter_missing",
        f"Missing required param: {missing}.",
    )


def test_what_is_not_there_is_404(client):
    for call in (
        lambda: client.v1.customers.retrieve("cus_none"),
        lambda: client.v1.checkout.sessions.retrieve("cs_test_none"),
        lambda: client.v1.refunds.retrieve("re_none"),
        lambda: client.v1.events.retrieve("evt_none"),
    ):
        error = refusal(call)
        assert (error.http_status, error.code, error.param) == (404, "resource_missing", "id")


def test_an_unknown_address_is_404(sandbox):
    request = urllib.request.Request(
        sandbox.url + "/v1/checkout/sessions/search", headers={"Authorization": f"Bearer {KEY}"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as answer:
        assert answer.status == 404  # Stripe has no search over sessions: it reads "search" as an id
        assert b"No such checkout.session" in answer.read()
    request = urllib.request.Request(sandbox.url + "/v1/nonsense", headers={"Authorization": f"Bearer {KEY}"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as answer:
        assert b"Unrecognized request URL (GET: /v1/nonsense)" in answer.read()


def test_every_answer_has_a_request_id_and_echoes_the_version(client):
    answer = client.v1.customers.create({"email": "a@b.co"}).last_response
    assert answer.request_id.startswith("req_")
    assert answer.headers["Stripe-Version"] == stripe.api_version
    assert "Date" in answer.headers
    error = refusal(lambda: client.v1.customers.retrieve("cus_none"))
    assert error.request_id.startswith("req_")


def test_metadata_merges_and_empty_values_unset(client):
    customer = client.v1.customers.create({"metadata": {"a": "1", "b": "2", "0": "zero"}})
    assert customer.metadata.to_dict() == {"a": "1", "b": "2", "0": "zero"}
    assert client.v1.customers.update(customer.id, {"metadata": {"a": "", "c": "3"}}).metadata.to_dict() == {
        "b": "2",
        "c": "3",
        "0": "zero",
    }
    assert client.v1.customers.update(customer.id, {"metadata": ""}).metadata.to_dict() == {}


def test_hostile_bodies_are_refused_politely(sandbox):
    deep = ("a" + "[b]" * 3000 + "=1").encode()
    for body in (
        deep,
        b"\xff=1",
        b"a[b=1",
        b"a=1&a[b]=2",
        b"a[b]=2&a=1",
        b"&".join(b"k%d=1" % n for n in range(3000)),
        b"x=" + b"y" * 2_000_000,
    ):
        request = urllib.request.Request(sandbox.url + "/v1/customers", body, {"Authorization": f"Bearer {KEY}"})
        with pytest.raises((urllib.error.HTTPError, ConnectionError, urllib.error.URLError)) as caught:
            urllib.request.urlopen(request, timeout=10)
        if isinstance(caught.value, urllib.error.HTTPError):
            with caught.value as answer:
                assert answer.status in {400, 413}


@pytest.mark.anyio
async def test_the_async_client_works_alike(sandbox):
    transport = stripe.AIOHTTPClient()
    client = sandbox.client(http_client=transport)
    try:
        customer = await client.v1.customers.create_async(
            {"email": "async@example.com", "metadata": {"userId": "async"}}
        )
        session = await client.v1.checkout.sessions.create_async(params(customer=customer.id))
        sandbox.pay(session.id)
        found = await client.v1.checkout.sessions.retrieve_async(session.id, {"expand": ["payment_intent"]})
        assert found.payment_intent.status == "succeeded"
        with pytest.raises(stripe.InvalidRequestError):
            await client.v1.customers.retrieve_async("cus_none")
    finally:
        await transport.close_async()
