"""Early fraud warnings: told by the card network, actionable until the charge is refunded or disputed."""

from __future__ import annotations

import pytest
import stripe

from .conftest import eventually, params
from .test_object_shapes import annotated


@pytest.fixture
def warned(sandbox, paid):
    session = paid()
    made = sandbox.control("POST", "/fraud_warnings", {"payment_intent": session.payment_intent.id})
    return session.payment_intent, made


def test_a_warning_is_found_by_payment_by_charge_and_by_id(client, warned):
    intent, made = warned
    assert (made["object"], made["actionable"], made["charge"]) == (
        "radar.early_fraud_warning",
        True,
        intent.latest_charge.id,
    )
    listed = client.v1.radar.early_fraud_warnings.list
    for query in ({"payment_intent": intent.id}, {"charge": intent.latest_charge.id}):
        assert [each.id for each in listed(query).data] == [made["id"]]
    found = client.v1.radar.early_fraud_warnings.retrieve(made["id"], {"expand": ["charge"]})
    assert (found.fraud_type, found.payment_intent, found.charge.amount) == ("misc", intent.id, 4900)
    with pytest.raises(stripe.InvalidRequestError, match="No such"):
        client.v1.radar.early_fraud_warnings.retrieve("issfr_none")


def test_it_is_told_and_told_again_when_a_full_refund_settles_it(client, warned, endpoint, receiver, sandbox, paid):
    intent = paid().payment_intent
    made = sandbox.control(
        "POST", "/fraud_warnings", {"charge": intent.latest_charge.id, "fraud_type": "made_with_lost_card"}
    )
    kinds = ("radar.early_fraud_warning.created", "radar.early_fraud_warning.updated")
    eventually(lambda: receiver.of(kinds[0]))
    client.v1.refunds.create({"charge": intent.latest_charge.id, "amount": 900})
    assert client.v1.radar.early_fraud_warnings.retrieve(made["id"]).actionable
    client.v1.refunds.create({"charge": intent.latest_charge.id})
    eventually(lambda: receiver.of(kinds[1]))
    told = receiver.of(kinds[1])[0].event["data"]
    assert (told["object"]["actionable"], told["previous_attributes"]) == (False, {"actionable": True})
    assert told["object"]["fraud_type"] == "made_with_lost_card"


def test_a_dispute_settles_it_too(sandbox, client, warned):
    intent, made = warned
    sandbox.control("POST", "/disputes", {"payment_intent": intent.id})
    assert not client.v1.radar.early_fraud_warnings.retrieve(made["id"]).actionable


def test_what_makes_no_sense_is_refused(sandbox, new_session):
    session = new_session()
    intent = sandbox.pay(session.id, "declined")["payment_intent"]
    for body in ({}, {"payment_intent": "pi_none"}, {"payment_intent": intent}, {"charge": "ch_none", "x": 1}):
        assert sandbox.http("POST", "/_sandbox/fraud_warnings", body)[0] in {400, 404}


def test_it_has_the_fields_of_the_sdks_type(client, warned):
    found = client.v1.radar.early_fraud_warnings.retrieve(warned[1]["id"])
    assert set(found.to_dict()) == annotated(type(found))


def test_the_endpoint_of_a_stack_is_told_of_fraud_warnings(start_sandbox, receiver):
    made = start_sandbox(SANDBOX_WEBHOOK_URL=receiver.url, SANDBOX_WEBHOOK_SECRET="whsec_x")
    session = made.client().v1.checkout.sessions.create(params())
    intent = made.pay(session.id)["payment_intent"]
    warning = made.control("POST", "/fraud_warnings", {"payment_intent": intent})
    told = eventually(lambda: receiver.of("radar.early_fraud_warning.created"))[0].event["data"]["object"]
    assert told == warning
