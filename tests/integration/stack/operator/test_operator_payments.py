"""The operator's commands about single payments: revoked by name, refunded, without a customer, still processed."""

from __future__ import annotations

import json

from support.buyer import Buyer
from support.stack import Stack, eventually


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
