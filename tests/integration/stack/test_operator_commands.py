"""The operator's commands against a whole running system."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator

import nats
import pytest

from support.buyer import Buyer, new_user
from support.identity import key_of
from support.stack import Stack, eventually, new_stack, running_stack


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    # No scheduled pull: what a webhook did not bring stays missing until somebody pulls.
    with running_stack({"BILLING_PULL_INTERVAL_SECONDS": "0"}) as running:
        yield running


@pytest.fixture
def buyer(stack: Stack) -> Iterator[Buyer]:
    someone = Buyer(stack)
    yield someone
    someone.browser.close()


@pytest.fixture
def deaf(buyer: Buyer) -> Iterator[Buyer]:
    """A buyer whose webhooks are lost."""
    buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "drop"})
    yield buyer
    buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "normal"})


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
    eventually(deaf.is_pro, what="pulled")
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
    assert "still can't be processed" in junk.stderr, "another try of what can never work is refused, not lost"
    assert stack.atlas("parked", "show", "no-such-id").returncode == 1


def test_a_forgotten_user_is_unknown_afterwards(stack: Stack, buyer: Buyer) -> None:
    buyer.buy()
    refused = stack.atlas("forget", buyer.user)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    forgotten = stack.atlas("forget", buyer.user, "--yes")
    assert forgotten.returncode == 0, forgotten.stderr
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


def test_money_returned_outside_stripe_ends_what_its_payment_grants_and_undo_takes_that_back(stack: Stack, buyer: Buyer) -> None:
    session = buyer.buy()
    why = ("--reason", "returned by bank transfer", "--ticket", "T-7")
    revoked = stack.atlas("revoke", buyer.user, "--payment", session, *why)
    assert revoked.returncode == 0, revoked.stderr
    assert f"{buyer.user} is not Pro: revoked" in revoked.stdout
    assert not buyer.is_pro()
    told = json.loads(stack.atlas("explain", buyer.user, "--json").stdout)
    assert [payment["because"] for payment in told["payments"]] == ["revoked_by_operator"]
    shown = stack.atlas("explain", session).stdout
    assert "returned by bank transfer, ticket T-7" in shown
    audited = stack.atlas("audit", "--user", buyer.user, "--json")
    assert audited.returncode == 0, audited.stdout
    assert [row["userId"] for row in json.loads(audited.stdout)["agreed"]] == [buyer.user]
    again = stack.atlas("revoke", buyer.user, "--payment", session, *why)
    assert (again.returncode, "before" in again.stderr) == (1, True)
    undone = stack.atlas("revoke", buyer.user, "--payment", session, "--reason", "it bounced", "--undo")
    assert undone.returncode == 0, undone.stderr
    assert f"{buyer.user} is Pro: active through stripe" in undone.stdout
    assert buyer.is_pro()
    assert stack.atlas("revoke", buyer.user, "--payment", session, "--reason", "it bounced", "--undo").returncode == 1


def test_nobody_revokes_the_payment_of_another(stack: Stack, buyer: Buyer) -> None:
    session = buyer.buy()
    refused = stack.atlas("revoke", "somebody-else", "--payment", session, "--reason", "a slip of the pen")
    assert refused.returncode == 1
    assert buyer.user in refused.stderr
    assert buyer.is_pro()


def test_an_idempotency_key_that_said_something_else_is_refused(stack: Stack, buyer: Buyer) -> None:
    key = ("--key", f"once-{buyer.user}")
    assert stack.atlas("grant", buyer.user, "--reason", "a gift", *key).returncode == 0
    refused = stack.atlas("revoke", buyer.user, "--reason", "a gift", *key)
    assert refused.returncode != 0
    assert "key" in refused.stderr
    assert buyer.is_pro()


def test_a_paid_and_refused_payment_is_audited_explained_and_answered_by_a_grant(stack: Stack, buyer: Buyer) -> None:
    price = buyer.stripe.v1.prices.create(
        {"currency": "jpy", "unit_amount": 500, "product_data": {"name": "Something of ours in a currency of nobody"}}
    )
    session = buyer.stripe.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price": price.id, "quantity": 1}],
            "success_url": "http://127.0.0.1/success",
            "metadata": {"userId": buyer.user, "productKey": "pro_lifetime_v1"},
        }
    )
    buyer.pay(session.id)

    def refused() -> list[dict]:
        done = stack.atlas("audit", "--user", buyer.user, "--json")
        rows = json.loads(done.stdout)["paidNotPro"]
        return rows if done.returncode == 1 and rows and "unknown here" not in rows[0]["reason"] else []

    [row] = eventually(refused, what="listed")
    told = json.loads(stack.atlas("explain", session.id, "--json").stdout)
    reason = told["payments"][0]["because"]
    assert reason in row["reason"], "one reason everywhere"
    assert any("refund it" in sentence and "atlas grant" in sentence for sentence in told["wouldChange"])
    assert stack.atlas("grant", buyer.user, "--reason", "paid in yen").returncode == 0
    answered = stack.atlas("audit", "--user", buyer.user, "--json")
    assert answered.returncode == 0, answered.stdout
    assert [row["userId"] for row in json.loads(answered.stdout)["agreed"]] == [buyer.user]


def test_a_payment_without_a_customer_that_no_webhook_told_stays_in_the_audit(stack: Stack, deaf: Buyer) -> None:
    session = deaf.stripe.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price": stack.json["sandbox"]["price_id"], "quantity": 1}],
            "success_url": "http://127.0.0.1/success",
            "metadata": {"userId": deaf.user, "productKey": "pro_lifetime_v1"},
        }
    )
    deaf.pay(session.id)
    audited = stack.atlas("audit", "--json")
    assert audited.returncode == 1
    assert deaf.user in [row["userId"] for row in json.loads(audited.stdout)["paidNotPro"]]
    found = stack.atlas("explain", session.id)
    assert found.returncode == 0
    assert "./atlas pull" in found.stdout
    assert stack.atlas("pull", "--since", "1h").returncode == 0
    eventually(deaf.is_pro, what="pulled")


def test_nobody_is_forgotten_while_their_payment_is_processed_unless_it_is_meant(stack: Stack, buyer: Buyer) -> None:
    session = buyer.open_checkout()
    buyer.pay(session, "processing")
    refused = stack.atlas("forget", buyer.user, "--yes")
    assert refused.returncode == 1
    assert "being processed" in refused.stderr
    assert "--even-if-paying" in refused.stderr
    done = stack.atlas("forget", buyer.user, "--yes", "--even-if-paying")
    assert done.returncode == 0, done.stderr
    assert session in done.stdout, "each place is named"
    for place in ("customer cus_", "database of checkout", "ledger", "broker"):
        assert place in done.stdout
    assert stack.atlas("explain", buyer.user).returncode == 1


HOSTILE = "evt_[/x]\x1b[31m\u202e"


def test_a_hostile_id_is_shown_as_text(stack: Stack) -> None:
    event = {
        "id": HOSTILE, "source": "urn:x", "specversion": "1.0", "type": "atlas.billing.v1.[/x]", "datacontenttype": "application/json",
        "subject": "[/x]\x1b[2J", "time": "2026-11-26T12:00:00Z", "data": {"eventId": HOSTILE, "userId": "[/x]\x1b[2J"},
    }  # fmt: skip

    async def publish() -> None:
        client = await nats.connect(stack.json["nats"]["url"], inbox_prefix=b"_INBOX_admin")
        await client.jetstream().publish("billing.v1.hostile", json.dumps(event).encode())
        await client.close()

    asyncio.run(publish())
    listed = eventually(lambda: (done := stack.atlas("parked", "list")) and "billing.v1.hostile" in done.stdout and done, what="parked")
    assert listed.returncode == 0
    assert "\x1b" not in listed.stdout
    assert "\u202e" not in listed.stdout
    explained = stack.atlas("explain", "[/x]")
    assert explained.returncode == 1
    assert "Traceback" not in explained.stderr


def test_no_table_folds_or_cuts_an_id(stack: Stack, buyer: Buyer) -> None:
    session = buyer.buy()
    told = json.loads(stack.atlas("explain", buyer.user, "--json").stdout)
    ids = [fact["eventId"] for payment in told["payments"] for fact in payment["facts"]]
    lines = stack.atlas("explain", buyer.user).stdout.splitlines()
    for event in ids:
        [row] = [re.split(r" {2,}", line) for line in lines if event in line]
        assert len(row) == 6, "one line per row, columns two or more spaces apart"
    at_a_terminal = on_terminal(stack, "explain", buyer.user)
    assert session
    assert all(any(event in line for line in at_a_terminal) for event in ids)
    status = [re.split(r" {2,}", line) for line in stack.atlas("status").stdout.splitlines()]
    assert {len(row) for row in status} == {6}
    assert any("Stripe's webhooks come in" in line for line in on_terminal(stack, "status"))


def on_terminal(stack: Stack, *arguments: str, columns: int = 80) -> list[str]:
    """The lines that a command prints at a terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = {**stack.environment(), "TERM": "dumb"}
    environ.pop("COLUMNS", None)
    with subprocess.Popen(stack.command(*arguments), stdout=slave, stdin=slave, stderr=subprocess.DEVNULL, env=environ) as process:
        os.close(slave)
        written = b""
        with contextlib.suppress(OSError):  # Linux's word for the end of a terminal
            while read := os.read(master, 65536):
                written += read
        os.close(master)
        process.wait(30)
    return written.decode().splitlines()
