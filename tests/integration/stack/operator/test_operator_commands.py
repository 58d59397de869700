"""The operator's commands against a whole running system."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import nats

from atlas_contracts.streams import state_key
from support.buyer import Buyer, new_user
from support.identity import key_of
from support.stack import Stack, eventually, new_stack


def test_explain_tells_every_fact_to_people_and_to_programs(stack: Stack, buyer: Buyer) -> None:
    session = buyer.buy()
    told = json.loads(stack.atlas("explain", buyer.user, "--json").stdout)
    assert told["userId"] == buyer.user
    assert told["verdict"]["isPro"] is True
    assert {"isPro", "status", "source", "activeFrom", "activeUntil", "version"} == set(told["verdict"])
    [payment] = told["payments"]
    assert payment["grants"] is True
    assert {"eventId", "type", "occurredAt", "receivedAt", "via", "effect"} <= set(payment["facts"][0])
    shown = stack.atlas("explain", buyer.user).stdout
    assert f"{buyer.user} is Pro" in shown
    assert "purchase_succeeded" in shown
    buyer.refund(session)
    eventually(lambda: not buyer.is_pro(), what="the refund took effect")
    assert f"{buyer.user} is not Pro: revoked" in stack.atlas("explain", buyer.user).stdout


def test_audit_names_a_buyer_whose_webhook_was_lost_and_pull_mends_it(stack: Stack, deaf: Buyer) -> None:
    session = deaf.open_checkout()
    deaf.pay(session)
    audited = stack.atlas("audit", "--user", deaf.user, "--json")
    assert audited.returncode == 1
    found = json.loads(audited.stdout)
    assert set(found) == {"paidNotPro", "proNotPaid", "secondPayments"}
    assert [row["userId"] for row in found["paidNotPro"]] == [deaf.user]
    assert deaf.user in stack.atlas("audit").stdout

    dry = stack.atlas("pull", "--since", "1h", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert not deaf.is_pro(), "a dry run changes nothing"
    pulled = stack.atlas("pull", "--since", "1h")
    assert pulled.returncode == 0, pulled.stderr
    assert deaf.is_pro(), "it waits until what it fetched is folded"
    assert re.search(r"^[0-9,]+ users? (is|are) Pro now \([0-9,]+ before\)\.$", pulled.stdout, re.MULTILINE)
    eventually(lambda: stack.atlas("audit").returncode == 0, what="the audit is clean")


def test_an_operators_grant_and_revoke_are_in_the_ledger_with_their_reason(stack: Stack, buyer: Buyer) -> None:
    granted = stack.atlas("grant", buyer.user, "--reason", "a gift")
    assert granted.returncode == 0, granted.stderr
    assert f"{buyer.user} is Pro: active through manual" in granted.stdout, "the verdict that results"
    assert buyer.is_pro(), "it waits until its word is applied"
    assert buyer.entitlement()["source"] == "manual"
    assert stack.atlas("revoke", buyer.user, "--reason", "given in error").returncode == 0
    assert not buyer.is_pro()
    told = json.loads(stack.atlas("explain", buyer.user, "--json").stdout)
    assert [fact["effect"] for fact in told["adjustments"]] == ["grant: a gift", "revoke: given in error"]


def test_every_id_of_a_purchase_explains_and_audits_its_buyer(stack: Stack, buyer: Buyer) -> None:
    session = buyer.stripe.v1.checkout.sessions.retrieve(buyer.buy())
    intent = buyer.stripe.v1.payment_intents.retrieve(str(session.payment_intent))
    events = buyer.stripe.v1.events.list({"type": "checkout.session.completed"}).data
    event = next(event.id for event in events if event.data.object["id"] == session.id)
    invoice = [str(session.invoice)] if session.invoice else []
    for name in (session.id, intent.id, str(intent.latest_charge), str(session.customer), event, *invoice):
        explained = stack.atlas("explain", name)
        assert explained.returncode == 0, (name, explained.stdout, explained.stderr)
        assert f"{buyer.user} is Pro" in explained.stdout, name
    assert "$" in explained.stdout, "amounts are shown"
    assert stack.atlas("audit", "--user", str(intent.latest_charge)).returncode == 0
    for name in ("pi_unknown", "evt_unknown", "nobody-at-all"):
        unknown = stack.atlas("explain", name)
        assert unknown.returncode == 1
        assert "known" in unknown.stdout
        assert "atlas grant" not in unknown.stdout
    refused = stack.atlas("grant", intent.id, "--reason", "a slip of the pen")
    assert refused.returncode == 2
    assert buyer.user in refused.stderr


def test_a_buyer_is_not_revoked_by_word_alone(stack: Stack, buyer: Buyer) -> None:
    buyer.buy()
    refused = stack.atlas("revoke", buyer.user, "--reason", "a slip of the pen")
    assert refused.returncode == 1
    assert "is Pro through payment pi_" in refused.stderr
    assert json.loads(stack.atlas("explain", buyer.user, "--json").stdout)["adjustments"] == []
    assert buyer.is_pro()


def test_a_refund_alone_is_not_said_to_end_what_an_operator_granted_too(stack: Stack, buyer: Buyer) -> None:
    buyer.buy()
    assert stack.atlas("grant", buyer.user, "--reason", "a gift").returncode == 0
    told = eventually(
        lambda: (found := json.loads(stack.atlas("explain", buyer.user, "--json").stdout))["adjustments"] and found,
        what="granted beside the purchase",
    )
    assert ["with `atlas revoke`" in sentence for sentence in told["wouldChange"]] == [True]


def test_the_same_idempotency_key_grants_once(stack: Stack, buyer: Buyer) -> None:
    for _ in range(2):
        assert (
            stack.atlas("grant", buyer.user, "--reason", "twice", "--idempotency-key", f"k-{buyer.user}").returncode
            == 0
        )
    eventually(buyer.is_pro, what="granted")
    assert len(json.loads(stack.atlas("explain", buyer.user, "--json").stdout)["adjustments"]) == 1


def test_rebuild_finds_no_difference_on_a_clean_system(stack: Stack, buyer: Buyer) -> None:
    buyer.buy()
    verified = stack.atlas("rebuild", "--verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert " 0 differences" in verified.stdout
    assert stack.atlas("rebuild").returncode == 0


def test_a_wrong_entry_of_the_state_bucket_is_told_and_republish_mends_it(stack: Stack, buyer: Buyer) -> None:
    buyer.buy()
    key = state_key(buyer.user)

    async def entry(change: bytes | None = None) -> dict[str, Any]:
        client = await nats.connect(stack.json["nats"]["url"], inbox_prefix=b"_INBOX_admin")
        try:
            bucket = await client.jetstream().key_value("ENTITLEMENT_STATE")
            if change is not None:
                await bucket.put(key, change)
            return dict(json.loads((await bucket.get(key)).value or b"{}"))
        finally:
            await client.close()

    right = asyncio.run(entry())
    assert (right["userId"], right["isPro"], right["version"]) == (buyer.user, True, 1)
    asyncio.run(entry(json.dumps({**right, "isPro": False, "version": 7}).encode()))
    findings = json.loads(stack.atlas("doctor", "--json").stdout)
    [told] = [each for each in findings if "bucket of states" in each["what"]]
    assert (told["level"], "1 user with an entry that says something else" in told["what"]) == ("error", True)
    assert buyer.user in told["what"] and "./atlas republish" in told["remedy"]
    verified = stack.atlas("rebuild", "--verify")
    assert verified.returncode == 1 and "./atlas republish" in verified.stderr

    mended = stack.atlas("republish", "--user", buyer.user)
    assert mended.returncode == 0, mended.stderr
    assert mended.stdout.startswith(f"1 user: 1 entry written.\n{buyer.user} is Pro: active through stripe")
    assert asyncio.run(entry()) == right
    again = json.loads(stack.atlas("republish", "--json").stdout)
    assert (again["written"], again["removed"], again["announced"], again["mirrors"]) == (0, 0, 0, [])
    unknown = stack.atlas("republish", "--user", "nobody-at-all")
    assert unknown.returncode == 1 and "✗ Nothing is known of nobody-at-all." in unknown.stderr


def test_a_second_payment_is_reported_for_refund(stack: Stack, buyer: Buyer) -> None:
    buyer.buy()
    other = Buyer(stack, user=buyer.user)
    session = other.stripe.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price": stack.json["sandbox"]["price_id"], "quantity": 1}],
            "success_url": "http://127.0.0.1/success",
            "client_reference_id": buyer.user,
            "metadata": {"userId": buyer.user, "productKey": "pro_lifetime_v1"},
            "payment_intent_data": {"metadata": {"userId": buyer.user, "productKey": "pro_lifetime_v1"}},
        }
    )
    other.pay(session.id)

    def second() -> list[dict]:
        return json.loads(stack.atlas("audit", "--user", buyer.user, "--json").stdout)["secondPayments"]

    [row] = eventually(second, what="reported")
    buyer.refund(row["checkoutSessionId"])
    eventually(lambda: not second(), what="settled by the refund")
    assert buyer.is_pro()


def test_what_is_parked_is_listed_and_shown_and_junk_is_not_redriven(stack: Stack) -> None:
    async def poison() -> None:
        client = await nats.connect(stack.json["nats"]["url"], inbox_prefix=b"_INBOX_admin")
        await client.jetstream().publish("billing.v1.nonsense", b'{"not": "an event"}')
        await client.close()

    asyncio.run(poison())

    def parked() -> list[dict]:
        return json.loads(stack.atlas("parked", "list", "--json").stdout)

    row = eventually(parked, what="parked")[0]
    assert {"id", "reason", "subject", "eventId", "at"} <= set(row)
    assert row["reason"] in stack.atlas("parked", "list").stdout
    for options in ((), ("--json",)):
        assert json.loads(stack.atlas("parked", "show", row["id"], *options).stdout)["id"] == row["id"]
    junk = stack.atlas("parked", "redrive", row["id"])
    assert junk.returncode == 1
    assert "must fail, so nothing was sent" in junk.stderr and "parked dismiss" in junk.stderr, "what can never work isn't tried"
    assert stack.atlas("parked", "show", "no-such-id").returncode == 1


def test_a_forgotten_user_is_unknown_afterwards(stack: Stack, buyer: Buyer) -> None:
    buyer.buy()
    refused = stack.atlas("forget", buyer.user)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    forgotten = stack.atlas("forget", buyer.user, "--yes")
    assert forgotten.returncode == 0, forgotten.stderr
    assert f"{buyer.user} is not Pro: none" in forgotten.stdout, "the verdict that results"
    assert json.loads(stack.atlas("explain", buyer.user, "--json").stdout)["payments"] == []


def test_doctor_finds_a_healthy_system_healthy(stack: Stack) -> None:
    examined = stack.atlas("doctor", "--json")
    findings = json.loads(examined.stdout)
    assert [finding for finding in findings if finding["level"] == "error"] == []
    assert examined.returncode == 0
    assert {finding["area"] for finding in findings} == {"services", "operator", "broker", "databases", "stripe"}


def test_doctor_names_a_disabled_webhook_endpoint_with_its_remedy(stack: Stack, buyer: Buyer) -> None:
    [endpoint] = buyer.stripe.v1.webhook_endpoints.list().data
    buyer.stripe.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    try:
        examined = stack.atlas("doctor", "--json")
    finally:
        buyer.stripe.v1.webhook_endpoints.update(endpoint.id, {"disabled": False})
    assert examined.returncode == 1
    [finding] = [finding for finding in json.loads(examined.stdout) if finding["level"] == "error"]
    assert "is disabled" in finding["what"]
    assert finding["remedy"]


def test_a_key_that_the_system_does_not_trust_is_said_without_a_traceback(stack: Stack) -> None:
    other = Stack(stack.home, stack.port_base, {
        "ENTITLEMENTS_URL": stack.url("entitlements"), "INTERNAL_SIGNING_KEY": json.dumps(key_of("operator")),
    })  # fmt: skip
    done = other.atlas("explain", new_user())
    assert done.returncode == 1
    assert "INTERNAL_SIGNING_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_stack_the_commands_say_how_to_get_one() -> None:
    with new_stack() as stack:
        done = stack.atlas("explain", "somebody")
        assert done.returncode == 1
        assert "./atlas up" in done.stderr
