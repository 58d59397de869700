"""`./atlas explain`: any id, and everything that is known, for people."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.fake_operator import CommandLine, FakeOperator, Refused, nobody


def fact(kind: str, at: str, effect: str = "recorded, changes nothing", **more: Any) -> dict[str, Any]:
    return {
        "eventId": f"stripe:evt_{at}:{kind}", "type": kind, "occurredAt": f"2026-11-26T{at}:00Z", "receivedAt": f"2026-11-26T{at}:01Z",
        "via": "webhook", "effect": effect, **more,
    }  # fmt: skip


def buyer(user: str = "ada", because: str = "paid", *, grants: bool = True, **more: Any) -> dict[str, Any]:
    facts = [
        fact("refund_issued", "13:00", amount={"amount": 1000, "of": 4900, "currency": "usd"}),
        fact("purchase_succeeded", "12:00", "grants", amount={"amount": 4900, "of": None, "currency": "usd"}),
    ]
    verdict = {"isPro": grants, "status": "active" if grants else "revoked", "source": "stripe", "activeFrom": "2026-11-26T12:00:00Z",
               "activeUntil": None, "version": 1}  # fmt: skip
    payment = {"id": "pi_1", "grants": grants, "because": because, "facts": facts}
    return {**nobody(user), "verdict": verdict, "payments": [payment], **more}


def tell(fake: FakeOperator, *told: dict[str, Any], payments: tuple[str, ...] = ("pi_1",)) -> None:
    by_user = {row["userId"]: row for row in told}
    fake.routes["/operator/find"] = {"users": list(by_user), "payments": list(payments), "known": True}
    fake.routes["/operator/explain"] = lambda query, _: by_user[query["user"][0]]


@pytest.mark.parametrize("name", ["pi_1", "cs_test_1", "ch_1", "re_1", "dp_1", "du_1", "cus_1", "in_1", "evt_1"])
def test_any_id_of_stripes_that_the_ledger_knows_explains_its_user(atlas: CommandLine, fake: FakeOperator, name: str) -> None:
    tell(fake, buyer())
    done = atlas("explain", name)
    assert done.code == 0
    assert f"{name} belongs to ada" in done.out
    assert "ada is Pro: active through stripe, since 2026-11-26 12:00:00 UTC" in done.out
    assert json.loads(atlas("explain", name, "--json").out)["userId"] == "ada"
    assert not any(path == "/operator/whose" for _, path, _, _ in fake.asked)


def test_what_the_ledger_does_not_know_is_asked_of_stripe(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes["/operator/whose"] = {"known": True, "userId": "ada", "checkoutSessionId": "cs_1", "paymentIntentId": "pi_1"}
    done = atlas("explain", "in_1")
    assert done.code == 0
    assert "in_1 belongs to ada (payment pi_1, cs_1)." in done.out
    assert "./atlas pull" in done.out
    assert "ada is not Pro" in done.out


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_id_that_nobody_knows_is_unknown(atlas: CommandLine, options: tuple[str, ...]) -> None:
    done = atlas("explain", "pi_unknown", *options)
    assert done.code == 1
    assert "atlas grant" not in done.out
    if options:
        assert json.loads(done.out)["payments"] == []
    else:
        assert done.out == "pi_unknown is unknown, here and at Stripe.\n"


def test_of_a_user_with_a_slip_of_the_pen_nothing_is_known(atlas: CommandLine) -> None:
    done = atlas("explain", "typo")
    assert (done.code, done.out) == (1, "Nothing at all is known of a user typo.\n")
    done = atlas("explain", "typo", "--json")
    assert (done.code, json.loads(done.out)["userId"]) == (1, "typo")


def test_facts_are_sorted_with_amounts_and_ids_and_a_dash_for_no_effect(atlas: CommandLine, fake: FakeOperator) -> None:
    tell(fake, buyer())
    out = atlas("explain", "ada").out
    rows = [line.split("  ") for line in out.splitlines() if line.startswith("2026-")]
    told = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert told == [
        ["2026-11-26 12:00:00", "purchase_succeeded", "webhook", "grants", "$49.00", "stripe:evt_12:00:purchase_succeeded"],
        ["2026-11-26 13:00:00", "refund_issued", "webhook", "–", "$10.00 of $49.00", "stripe:evt_13:00:refund_issued"],
    ]
    assert "changes nothing" not in out
    assert "when (UTC)" in out


def test_refused_pending_warnings_and_parked_are_told(atlas: CommandLine, fake: FakeOperator) -> None:
    tell(fake, buyer(
        rejected=[{"fact": fact("purchase_succeeded", "12:00"), "because": "amount_mismatch"}],
        pending=[{"payment": "pi_2", "what": "payment_processing", "since": "2026-11-26T12:00:00Z"}],
        warnings=[{"payment": "pi_1", "what": "fraud_warning", "id": "issfr_1", "at": "2026-11-26T12:30:00Z"}],
        wouldChange=["A full refund of pi_1 would end Pro."],
    ))  # fmt: skip
    row = {"id": "evt_9", "reason": "contradicting_user", "subject": "s", "eventId": "evt_9", "at": "2026-11-26T12:00:00Z"}
    fake.routes["/operator/parked"] = [{**row, "userId": "ada"}, {**row, "id": "evt_8", "userId": "bob"}]
    out = atlas("explain", "ada").out
    assert "purchase_succeeded stripe:evt_12:00:purchase_succeeded: amount_mismatch" in out
    assert "payment processing since 2026-11-26 12:00:00 UTC: pi_2" in out
    assert "fraud warning since 2026-11-26 12:30:00 UTC: issfr_1 of pi_1" in out
    assert "A full refund of pi_1 would end Pro." in out
    assert "evt_9" in out
    assert "evt_8" not in out
    assert json.loads(atlas("explain", "ada", "--json").out)["parked"] == [{**row, "userId": "ada"}]


def test_without_the_door_everything_else_is_explained(atlas: CommandLine, fake: FakeOperator) -> None:
    tell(fake, buyer())
    fake.routes["/operator/parked"] = Refused(503, "The broker is away.")
    done = atlas("explain", "ada")
    assert done.code == 0
    assert "ada is Pro" in done.out
    assert "The broker is away." in done.err


def test_a_free_checkout_names_the_setting_that_would_let_it_grant(atlas: CommandLine, fake: FakeOperator) -> None:
    tell(fake, buyer(because="free_checkout", grants=False))
    assert "BILLING_GRANT_FREE_CHECKOUTS=true" in atlas("explain", "ada").out


def test_a_payment_of_two_users_explains_both(atlas: CommandLine, fake: FakeOperator) -> None:
    tell(fake, buyer("ada"), buyer("bob", grants=False))
    out = atlas("explain", "pi_1").out
    assert "pi_1 belongs to ada and bob." in out
    assert "ada is Pro" in out
    assert "bob is not Pro" in out
    told = json.loads(atlas("explain", "pi_1", "--json").out)
    assert (told["userId"], [row["userId"] for row in told["others"]]) == ("ada", ["bob"])
