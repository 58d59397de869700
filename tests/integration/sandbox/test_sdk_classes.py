"""Everything that the sandbox shows is what the classes of Stripe's Python package declare: each member that isn't
Optional is there, and each that is there is of its type. ``test_types`` says the same by the npm package's types.
"""

from __future__ import annotations

import json

import pytest
from tests.support.stripe_types.sdk import sdk_problems

from stripe_sandbox.routes import ROUTES

from .raw import objects_in


def test_every_object_is_of_its_class(lived):
    found = {problem for answer in lived.answers for item in objects_in(answer) for problem in sdk_problems(item)}
    assert not found, f"{len(found)} differences:\n" + "\n".join(sorted(found)[:400])


def test_a_missing_member_and_a_wrong_type_are_found_out(lived):
    """The check itself."""
    [refund, *_] = [item for item in objects_in(lived.answers) if item["object"] == "refund"]
    assert not sdk_problems(refund)
    lacking = json.loads(json.dumps(refund))
    del lacking["amount"]
    assert sdk_problems(lacking) == ["refund.amount: missing or null"]
    assert sdk_problems({**refund, "status": 7}) and sdk_problems({**refund, "metadata": "x"})


@pytest.mark.parametrize("route", [route for route in ROUTES if "{id}" in route.path], ids=lambda route: f"{route.method} {route.path}")
def test_every_route_refuses_an_unknown_id_as_stripe_does(lived, route):
    status, body = lived(route.method, route.path.replace("{id}", "xx_none"), {})
    error = body["error"]
    assert (status, error["type"]) in {(404, "invalid_request_error"), (400, "invalid_request_error"), (403, "invalid_request_error")}, body
    assert isinstance(error["message"], str) and error["request_log_url"].startswith("https://dashboard.stripe.com/")
    if code := error.get("code"):
        assert error["doc_url"] == f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method == "GET" and "{id}" not in route.path and route.path not in {"/v1/account", "/v1/balance"}], ids=lambda route: route.path)
def test_every_list_has_its_frame(lived, route):
    params = {"query": "created>0"} if route.path.endswith("/search") else {}
    page = lived.ok("GET", route.path, params)
    kind = "search_result" if route.path.endswith("/search") else "list"
    assert (page["object"], page["url"], isinstance(page["has_more"], bool), isinstance(page["data"], list)) == (kind, route.path, True, True)
    if kind == "search_result":
        assert "next_page" in page


def test_a_declined_card_is_told_with_its_charge_intent_and_method(lived):
    declined = {"amount": 700, "currency": "usd", "payment_method": "pm_card_visa_chargeDeclined", "confirm": True}
    status, body = lived("POST", "/v1/payment_intents", declined)
    error = body["error"]
    assert (status, error["type"], error["code"], error["decline_code"]) == (402, "card_error", "card_declined", "generic_decline")
    assert error["charge"] == error["payment_intent"]["latest_charge"]
    for name in ("payment_intent", "payment_method"):
        assert error[name]["object"] == name and not sdk_problems(error[name])
    assert lived.get(f"/v1/payment_intents/{error['payment_intent']['id']}") == error["payment_intent"]
