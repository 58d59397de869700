"""Money that goes back: refunds, refunds that bounce, disputes of every kind."""

from __future__ import annotations

import pytest
import stripe

from .conftest import eventually


@pytest.fixture
def charge(client, paid):
    return paid(
        metadata={"userId": "r"}, payment_intent_data={"metadata": {"userId": "r"}}
    ).payment_intent.latest_charge


def test_partial_refunds_add_up_to_a_full_one(client, charge):
    first = client.v1.refunds.create(
        {"payment_intent": charge.payment_intent, "amount": 1000, "reason": "requested_by_customer"}
    )
    after = client.v1.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert (first.status, after.amount_refunded, after.refunded) == ("succeeded", 1000, False)
    assert [each.id for each in after.refunds.data] == [first.id]
    client.v1.refunds.create({"charge": charge.id})
    after = client.v1.charges.retrieve(charge.id)
    assert (after.amount_refunded, after.refunded) == (4900, True)


def test_a_refund_inherits_nothing(client, charge):
    refund = client.v1.refunds.create({"charge": charge.id})
    assert refund.metadata.to_dict() == {}
    assert refund.payment_intent == charge.payment_intent


def test_no_more_than_was_paid_can_be_refunded(client, charge):
    with pytest.raises(
        stripe.InvalidRequestError, match=r"\$49\.01\) is greater than charge amount \(\$49\.00\)"
    ) as caught:
        client.v1.refunds.create({"charge": charge.id, "amount": 4901})
    assert caught.value.param == "amount"
    client.v1.refunds.create({"charge": charge.id})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"charge": charge.id})
    assert caught.value.code == "charge_already_refunded"


def test_unpaid_charges_cannot_be_refunded(sandbox, client, new_session):
    answer = sandbox.pay(new_session().id, "processing")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": answer["payment_intent"]})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({})
    assert caught.value.code == "parameter_missing"


def test_a_bounced_refund_gives_the_amount_back(sandbox, client, charge, endpoint, receiver):
    refund = client.v1.refunds.create({"charge": charge.id})
    failed = sandbox.control("POST", f"/refunds/{refund.id}/fail")
    assert (failed["id"], failed["status"], failed["failure_reason"]) == (refund.id, "failed", "lost_or_stolen_card")
    after = client.v1.charges.retrieve(charge.id)
    assert (after.amount_refunded, after.refunded) == (0, False)
    eventually(
        lambda: (
            {"refund.created", "charge.refunded", "refund.failed", "charge.refund.updated", "refund.updated"}
            <= set(receiver.types())
        )
    )
    updated = receiver.of("charge.refund.updated")[0].event["data"]
    assert updated["previous_attributes"]["status"] == "succeeded"
    assert updated["object"]["status"] == "failed"
    assert client.v1.refunds.create({"charge": charge.id}).status == "succeeded"
    assert sandbox.http("POST", f"/_sandbox/refunds/{refund.id}/fail")[0] == 400


def test_the_refunded_event_tells_the_cumulative_amount_and_no_list(client, charge, endpoint, receiver):
    for amount in (1000, 2000):
        client.v1.refunds.create({"charge": charge.id, "amount": amount})
    eventually(lambda: len(receiver.of("charge.refunded")) == 2)
    told = [each.event["data"]["object"] for each in receiver.of("charge.refunded")]
    assert sorted(each["amount_refunded"] for each in told) == [1000, 3000]
    assert all("refunds" not in each for each in told)


@pytest.mark.parametrize("status", ["pending", "requires_action"])
def test_a_refund_under_way_counts_at_once_and_can_be_settled_or_lost(sandbox, client, charge, status):
    refund = sandbox.control("POST", "/refunds", {"charge": charge.id, "amount": 500, "status": status})
    assert (refund["status"], client.v1.charges.retrieve(charge.id).amount_refunded) == (status, 500)
    assert sandbox.control("POST", f"/refunds/{refund['id']}/settle")["status"] == "succeeded"
    other = sandbox.control("POST", "/refunds", {"charge": charge.id, "amount": 700, "status": status})
    if status == "requires_action":
        assert client.v1.refunds.cancel(other["id"]).status == "canceled"
    else:
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.refunds.cancel(other["id"])
        sandbox.control("POST", f"/refunds/{other['id']}/fail")
    assert client.v1.charges.retrieve(charge.id).amount_refunded == 500


def test_a_chargeback_withdraws_and_a_win_reinstates(sandbox, client, charge, endpoint, receiver):
    dispute = sandbox.control("POST", "/disputes", {"payment_intent": charge.payment_intent})
    assert (dispute["status"], dispute["charge"], dispute["amount"]) == ("needs_response", charge.id, 4900)
    assert dispute["metadata"] == {}
    assert client.v1.charges.retrieve(charge.id).disputed
    assert [each["amount"] for each in dispute["balance_transactions"]] == [-4900]
    won = sandbox.control("POST", f"/disputes/{dispute['id']}", {"status": "won"})
    assert [each["amount"] for each in won["balance_transactions"]] == [-4900, 4900]
    wanted = {
        f"charge.dispute.{name}" for name in ("created", "funds_withdrawn", "updated", "closed", "funds_reinstated")
    }
    eventually(lambda: wanted <= set(receiver.types()))
    updated = receiver.of("charge.dispute.updated")[0].event["data"]
    assert updated["previous_attributes"] == {"status": "needs_response"}


def test_an_inquiry_moves_no_money_until_it_escalates(sandbox, client, charge, endpoint, receiver):
    dispute = sandbox.control(
        "POST", "/disputes", {"payment_intent": charge.payment_intent, "status": "warning_needs_response"}
    )
    assert dispute["balance_transactions"] == []
    assert dispute["is_charge_refundable"]
    assert client.v1.refunds.create({"charge": charge.id, "amount": 100}).status == "succeeded"
    escalated = sandbox.control("POST", f"/disputes/{dispute['id']}", {"status": "needs_response"})
    assert len(escalated["balance_transactions"]) == 1
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"charge": charge.id})
    assert caught.value.code == "charge_disputed"
    eventually(lambda: "charge.dispute.funds_withdrawn" in receiver.types())


@pytest.mark.parametrize("status", ["lost", "warning_closed", "prevented", "under_review", "appeal_under_review"])
def test_a_dispute_can_open_in_any_status(sandbox, client, charge, status):
    dispute = sandbox.control("POST", "/disputes", {"payment_intent": charge.payment_intent, "status": status})
    assert client.v1.disputes.retrieve(dispute["id"]).status == status


def test_a_dispute_may_know_its_charge_only(sandbox, charge):
    dispute = sandbox.control("POST", "/disputes", {"charge": charge.id, "detached": True})
    assert dispute["payment_intent"] is None
    assert dispute["charge"] == charge.id


def test_accepting_a_dispute_loses_it(sandbox, client, charge):
    dispute = sandbox.control("POST", "/disputes", {"payment_intent": charge.payment_intent})
    assert (
        client.v1.disputes.update(dispute["id"], {"evidence": {"customer_name": "A"}, "submit": True}).status
        == "under_review"
    )
    assert client.v1.disputes.close(dispute["id"]).status == "lost"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.disputes.close(dispute["id"])


def test_bad_control_input_gets_a_clear_400(sandbox, charge):
    bad = [
        ("POST", "/disputes", {"payment_intent": "pi_none"}),
        ("POST", "/disputes", {}),
        ("POST", "/disputes", {"payment_intent": charge.payment_intent, "status": "angry"}),
        ("POST", "/disputes", {"payment_intent": charge.payment_intent, "amount": 1_000_000}),
        ("POST", "/disputes", {"payment_intent": charge.payment_intent, "colour": "red"}),
        ("PUT", "/delivery", {"mode": "pigeon"}),
        ("PUT", "/delivery", {"duplicate": -1}),
        ("PUT", "/delivery", {"shuffle": "yes"}),
        ("PUT", "/api", {"status": 200}),
        ("PUT", "/api", {"fail_next": "all"}),
        ("PUT", "/api", b"{nonsense"),
        ("PUT", "/api", b"[]"),
    ]
    for method, path, body in bad:
        status, answer = sandbox.http(method, "/_sandbox" + path, body)
        assert status == 400, (path, body, answer)
        assert answer["error"]["message"]
    assert sandbox.http("POST", "/_sandbox/checkout/cs_none/pay", {"outcome": "paid"})[0] == 404
    assert sandbox.http("POST", "/_sandbox/refunds/re_none/fail")[0] == 404
    assert sandbox.http("POST", "/_sandbox/disputes/du_none", {"status": "won"})[0] == 404
