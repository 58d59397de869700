"""A restricted key that lacks permissions, as ``PUT /_sandbox/permissions`` plays it."""

from __future__ import annotations

import pytest
import stripe

from .conftest import KEY, params


@pytest.fixture
def deny(sandbox):
    yield lambda *names: sandbox.control("PUT", "/permissions", {"deny": list(names)})
    sandbox.control("PUT", "/permissions", {"deny": []})


def test_a_denied_read_is_403_in_stripes_words(client, deny):
    assert deny("webhook_endpoints:read")["deny"] == ["webhook_endpoints:read"]
    with pytest.raises(stripe.PermissionError) as caught:
        client.v1.webhook_endpoints.list()
    error = caught.value
    assert (error.http_status, error.error.code, error.error.type) == (
        403,
        "more_permissions_required",
        "invalid_request_error",
    )
    message = error.user_message
    assert message.startswith("Permission denied. The provided key 'rk_test_")
    assert "does not have the required permissions for this endpoint on account 'acct_" in message
    assert (
        "Enabling Webhook Endpoints Read ('webhook_read') permissions on this key would allow this request" in message
    )
    assert KEY not in message
    client.v1.customers.list()


def test_reading_and_writing_are_apart(client, deny):
    deny("customers:write")
    client.v1.customers.list()
    with pytest.raises(stripe.PermissionError, match=r"Customers Write \('customer_write'\)"):
        client.v1.customers.create({})
    deny("customers:read")
    client.v1.customers.create({})
    for call in (client.v1.customers.list, lambda: client.v1.customers.search({"query": "email:'a@b.cd'"})):
        with pytest.raises(stripe.PermissionError):
            call()


def test_the_permission_is_looked_at_before_the_parameters_and_the_path(client, deny):
    bad = {"mode": "payment", "nonsense": "x"}
    with pytest.raises(stripe.InvalidRequestError) as allowed:
        client.v1.checkout.sessions.create(bad)
    assert allowed.value.http_status == 400
    deny("checkout_sessions:write", "refunds:read")
    for call in (
        lambda: client.v1.checkout.sessions.create(bad),
        lambda: client.v1.checkout.sessions.expire("cs_none"),
        lambda: client.v1.refunds.retrieve("re_none"),
    ):
        with pytest.raises(stripe.PermissionError):
            call()
    client.v1.charges.list()


def test_stripes_own_names_are_taken_and_an_empty_list_allows_everything(client, deny):
    shown = deny("rak_plan_read", "rak_customer_portal_write", "dispute_read")
    assert shown["deny"] == [
        "billing_portal_configurations:write",
        "billing_portal_sessions:write",
        "disputes:read",
        "prices:read",
    ]
    with pytest.raises(stripe.PermissionError, match=r"Prices Read \('plan_read'\)"):
        client.v1.prices.list()
    assert deny()["deny"] == []
    client.v1.prices.list()


def test_nothing_happens_and_the_key_of_the_request_is_not_used_up(client, deny):
    deny("checkout_sessions:write")
    with pytest.raises(stripe.PermissionError):
        client.v1.checkout.sessions.create(params(), {"idempotency_key": "denied-then-allowed"})
    deny()
    assert client.v1.checkout.sessions.create(params(), {"idempotency_key": "denied-then-allowed"}).id


def test_unknown_names_are_refused_and_the_setting_is_shown(sandbox, deny):
    deny("events:read")
    for body in ({"deny": ["events"]}, {"deny": ["nothing:read"]}, {"deny": "events:read"}, {"allow": []}):
        assert sandbox.http("PUT", "/_sandbox/permissions", body)[0] == 400
    shown = sandbox.control("GET", "/permissions")
    assert shown["deny"] == ["events:read"]
    assert {"prices:read", "webhook_endpoints:write"} <= set(shown["known"])


def test_the_older_wording_can_be_asked_for(sandbox, client, deny):
    deny()
    sandbox.control("PUT", "/permissions", {"deny": ["webhook_endpoints:read"], "wording": "2025"})
    with pytest.raises(stripe.PermissionError) as caught:
        client.v1.webhook_endpoints.list()
    assert "Having the 'rak_webhook_read' permission would allow this request to continue." in caught.value.user_message
    assert caught.value.error.code is None
