"""`./atlas doctor` and `./atlas pull` against a whole running system: what was seen going wrong in real ones."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.buyer import Buyer
from support.stack import Stack, eventually, running_stack
from support.stripe_events import body_of, signature


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack({"BILLING_PULL_INTERVAL_SECONDS": "0"}) as running:
        yield running


@pytest.fixture
def buyer(stack: Stack) -> Iterator[Buyer]:
    someone = Buyer(stack)
    yield someone
    someone.sandbox("PUT", "/_sandbox/permissions", {"deny": []})
    someone.browser.close()


def found(stack: Stack) -> list[dict[str, str]]:
    examined = stack.atlas("doctor", "--json")
    findings: list[dict[str, str]] = json.loads(examined.stdout)
    assert (examined.returncode == 1) == any(finding["level"] == "error" for finding in findings)
    return findings


def bad(findings: list[dict[str, str]], said: str) -> dict[str, str]:
    [finding] = [finding for finding in findings if said in finding["what"]]
    assert finding["level"] != "ok" and finding["remedy"]
    return finding


def test_before_any_pull_nothing_is_not_a_number_and_the_first_one_makes_it_well(stack: Stack) -> None:
    findings = found(stack)
    bad(findings, "never been read to their end")
    assert "nan" not in json.dumps(findings)
    assert stack.atlas("pull").returncode == 0
    [well] = [finding for finding in found(stack) if "events were read" in finding["what"]]
    assert well["level"] == "ok"


def test_a_pull_that_the_key_may_not_make_is_told_by_its_reason_until_one_succeeds(stack: Stack, buyer: Buyer) -> None:
    buyer.sandbox("PUT", "/_sandbox/permissions", {"deny": ["events:read"]})
    pulled = stack.atlas("pull")
    assert pulled.returncode == 1
    assert "Events: Read" in pulled.stderr and "try again later" not in pulled.stderr
    findings = found(stack)
    assert bad(findings, "the last pull failed")["level"] == "error"
    assert bad(findings, "lacks the permission Events: Read")["level"] == "error"
    buyer.sandbox("PUT", "/_sandbox/permissions", {"deny": []})
    assert "the last pull failed" in json.dumps(found(stack)), "the permission alone mends nothing"
    assert stack.atlas("pull").returncode == 0
    assert "the last pull failed" not in json.dumps(found(stack))


def test_a_plan_of_the_stripe_account_finds_the_stacks_own_endpoint_and_makes_nothing(stack: Stack) -> None:
    planned = stack.atlas("stripe", "setup", "--json")
    assert planned.returncode == 2, planned.stderr
    objects = {row["object"]: row for row in json.loads(planned.stdout)["objects"]}
    assert objects["webhook endpoint"]["action"] == "keep", "stack.json has its secret"
    assert (objects["price"]["action"], objects["product"]["action"]) == ("create", "create")
    assert stack.atlas("stripe", "setup", "--json").stdout == planned.stdout


@pytest.mark.parametrize(
    ("since", "said"),
    [("0h", "looks back no time"), ("0s", "looks back no time"), ("31d", "too far back"), ("soon", "is no duration"),
     ("-1h", "is no duration"), ("٣h", "is no duration"), ("9" * 5000 + "d", "is no duration")],
)  # fmt: skip
def test_a_look_back_that_makes_no_sense_is_refused_plainly(stack: Stack, since: str, said: str) -> None:
    pulled = stack.atlas("pull", f"--since={since}")
    assert pulled.returncode == 2
    assert said in pulled.stderr and "Traceback" not in pulled.stderr


def test_webhooks_with_a_wrong_signature_are_told_and_a_restart_forgets_none(stack: Stack) -> None:
    url = stack.json["webhook"]["url"]
    for _ in range(30):
        assert httpx.post(url, content=b"{}", headers={"Stripe-Signature": "t=1,v1=00"}).status_code == 403
    first = bad(found(stack), "had a wrong signature")
    assert "30 of the last hour's" in first["what"] and "STRIPE_WEBHOOK_SECRET" in first["remedy"]
    old = stack.pid("webhook-ingest")
    os.kill(old, signal.SIGTERM)
    eventually(
        lambda: (
            stack.json["services"]["webhook-ingest"]["pid"] not in (None, old)
            and stack.status()["services"]["webhook-ingest"]["health"] == "ok"
        ),
        60,
        "ingest is back",
    )
    assert bad(found(stack), "had a wrong signature")["what"] == first["what"]


def test_a_fraud_warning_is_recorded_told_and_changes_no_verdict(stack: Stack, buyer: Buyer) -> None:
    session = buyer.buy()
    intent = buyer.payment_intent(session)
    buyer.sandbox("POST", "/_sandbox/fraud_warnings", {"payment_intent": intent})
    warned = eventually(
        lambda: [row for row in found(stack) if intent in row["what"] and "fraud" in row["what"]], what="the warning"
    )
    assert warned[0]["level"] == "warning" and buyer.user in warned[0]["what"] and warned[0]["remedy"]
    assert buyer.is_pro()


def test_an_event_of_another_account_changes_nothing_and_one_of_ours_does(stack: Stack, buyer: Buyer) -> None:
    secret, url = stack.json["webhook"]["secret"], stack.json["webhook"]["url"]
    buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "drop"})
    session = buyer.open_checkout()
    buyer.pay(session)
    [told] = [
        event.to_dict()
        for event in buyer.stripe.v1.events.list({"type": "checkout.session.completed", "limit": 5}).data
        if event.data.object["id"] == session
    ]
    buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "normal"})
    ours = buyer.stripe.v1.accounts.retrieve_current().id

    def deliver(**named: Any) -> Any:
        body = body_of({**json.loads(json.dumps(told, default=dict)), **named})
        answer = httpx.post(url, content=body, headers={"Stripe-Signature": signature(body, secret)})
        assert answer.status_code == 200
        return answer.json()["data"]

    assert deliver(context="acct_other")["ignored"] is True
    assert deliver(account="acct_other")["ignored"] is True
    assert not buyer.is_pro()
    assert deliver(context=ours)["ignored"] is False
    eventually(buyer.is_pro, what="an event that names our own account counts")


def test_a_hold_in_the_sandbox_is_told_by_doctor_and_status(stack: Stack, buyer: Buyer) -> None:
    assert "webhooks" not in stack.atlas("status").stdout.lower().replace("stripe's webhooks come in", "")
    buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "hold"})
    try:
        buyer.pay(buyer.open_checkout())
        told = bad(found(stack), "The sandbox holds webhooks back: 1 waits")
        assert "control room" in told["remedy"]
        assert "The sandbox holds webhooks back: 1 waits. Choose Deliver" in " ".join(stack.atlas("status").stdout.split())
        assert stack.status()["sandbox"]["delivery"] == {"mode": "hold", "held": 1}
    finally:
        buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "normal"})
    assert not [finding for finding in found(stack) if "sandbox" in finding["what"].lower()]
