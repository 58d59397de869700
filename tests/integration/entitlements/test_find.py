"""Whose an id is, and what explain tells an operator beside the verdict."""

from __future__ import annotations

from support.entitlements import Service, publish, running, token
from support.facts import Purchase


def find(service: Service, name: str) -> dict:
    status, body = service.get(f"/operator/find?id={name}", token("operator", issuer="operator"))
    assert status == 200, body
    return body


def test_every_id_that_a_payment_leaves_finds_its_user(nats_url, postgres_dsn):
    buy, other = Purchase("ada"), Purchase("bob")
    refund, dispute = buy.refund(100, payment_intent=False), buy.dispute(payment_intent=False)
    paid = buy.paid(at=0, event_id="evt_paid")
    facts = [
        paid, buy.charge_refunded(at=60, amount=100), refund.told("succeeded", at=60), dispute.told("needs_response", at=90),
        other.paid(at=0),
    ]  # fmt: skip
    with running(nats_url, postgres_dsn) as service:
        publish(nats_url, facts)
        assert service.applied(facts)
        mine = {"users": ["ada"], "payments": [buy.intent], "known": True}
        for name in (buy.session_id, buy.intent, buy.charge, refund.id, dispute.id, "evt_paid", "cus_ada"):
            assert find(service, name) == mine, name
        assert find(service, "ada")["users"] == ["ada"]
        for name in ("eve", "pi_nobody", "evt_nobody", buy.intent[:-1] + "x"):
            assert find(service, name) == {"users": [], "payments": [], "known": False}
        assert service.get("/operator/find", token("operator", issuer="operator"))[0] == 400
        assert service.get("/operator/find?id=ada", token("operator", issuer="checkout"))[0] == 403


def test_a_charge_that_nothing_ties_to_a_user_is_known_and_nobodys(nats_url, postgres_dsn):
    lonely = Purchase("ada").charge_refunded(at=0)
    with running(nats_url, postgres_dsn) as service:
        publish(nats_url, [lonely])
        assert service.applied([lonely])
        found = find(service, lonely.data.refs.charge_id)
        assert (found["known"], found["users"]) == (True, [])


def test_facts_tell_the_money_they_speak_of(nats_url, postgres_dsn):
    buy = Purchase("ada", amount=4900)
    facts = [buy.recorded(), buy.paid(at=0), buy.charge_refunded(at=60, amount=1000), buy.refund(500).told("succeeded", at=90),
             buy.charge_read(at=120)]  # fmt: skip
    with running(nats_url, postgres_dsn) as service:
        publish(nats_url, facts)
        assert service.applied(facts)
        told = service.get("/operator/explain?user=ada", token("operator", issuer="operator"))[1]
    [payment] = told["payments"]
    amounts = [(fact["type"], fact["amount"]) for fact in payment["facts"]]
    assert amounts == [
        ("purchase_initiated", {"amount": 4900, "of": None, "currency": "usd"}),
        ("purchase_succeeded", {"amount": 4900, "of": None, "currency": "usd"}),
        ("refund_issued", {"amount": 1000, "of": 4900, "currency": "usd"}),
        ("refund_issued", {"amount": 500, "of": None, "currency": "usd"}),
        ("charge_observed", {"amount": 4900, "of": None, "currency": "usd"}),
    ]
    assert told["grantedByOperator"] is False
