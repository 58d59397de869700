"""`./atlas audit`: two looks, and what an operator said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.fake_operator import CommandLine, FakeOperator, Lines, Query


def at_stripe(user: str, session: str) -> dict[str, Any]:
    return {
        "userId": user, "checkoutSessionId": session, "paymentIntentId": "pi_1", "paid": True, "amount": 4900, "amountRefunded": 0,
        "currency": "usd", "disputeStatus": None, "completedAt": None, "shouldGrant": True, "because": "paid",
    }  # fmt: skip


def holder(user: str, because: str, *, session: str = "cs_1", grants: bool = False) -> dict[str, Any]:
    payment = {"id": "pi_1", "provider": "stripe", "grants": grants, "because": because, "since": None, "checkoutSessionId": session}
    return {"userId": user, "isPro": grants, "status": "revoked", "source": "stripe", "payments": [payment]}


def sold(fake: FakeOperator, *rows: dict[str, Any], only_by_session: bool = False) -> None:
    """Stripe has these payments; `only_by_session` where it finds them for a user by their session's id alone."""

    def answer(query: Query, _body: Any) -> Lines:
        user = query.get("user", [None])[0]
        asked = [row for row in rows if user in (None, row["userId"])]
        if user and only_by_session:
            asked = [row for row in asked if row["checkoutSessionId"] in query.get("session", [])]
        return Lines([*asked, {"done": True, "payments": len(asked)}])

    fake.routes["/operator/provider-state"] = answer


def test_the_second_look_finds_what_the_first_one_found(atlas: CommandLine, fake: FakeOperator) -> None:
    sold(fake, at_stripe("ada", "cs_1"), at_stripe("ada", "cs_2"), only_by_session=True)
    done = atlas("audit", "--json")
    assert done.code == 1
    told = json.loads(done.out)
    assert set(told) == {"paidNotPro", "proNotPaid", "secondPayments"}
    assert [row["userId"] for row in told["paidNotPro"]] == ["ada"]
    looks = [query for _, path, query, _ in fake.asked if path == "/operator/provider-state"]
    assert looks[-1]["session"] == ["cs_1", "cs_2"]


def test_a_payment_that_an_operator_revoked_is_agreed(atlas: CommandLine, fake: FakeOperator) -> None:
    sold(fake, at_stripe("ada", "cs_1"))
    fake.routes["/operator/holders"] = Lines([holder("ada", "revoked_by_operator")])
    done = atlas("audit", "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert (told["paidNotPro"], [row["userId"] for row in told["agreed"]]) == ([], ["ada"])
    shown = atlas("audit").out
    assert "ada: Stripe: paid; here: revoked_by_operator" in shown
    assert "agree on 1 user." in shown


def test_a_paid_and_refused_payment_is_listed_with_its_reason(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes["/operator/reviews"] = {"refused": [{"userId": "ada", "checkoutSessionId": "cs_1", "reason": "amount_mismatch"}]}
    fake.routes["/operator/holders"] = Lines([holder("ada", "amount_mismatch")])
    for arguments in (("audit",), ("audit", "--user", "ada")):
        done = atlas(*arguments)
        assert done.code == 1
        assert "ada: Stripe: paid; here: amount_mismatch" in done.out
    assert atlas("audit", "--user", "bob").code == 0


@pytest.mark.parametrize("name", ["pi_1", "cs_1", "ch_1", "re_1", "du_1", "cus_1", "in_1", "evt_1"])
def test_any_id_leads_to_its_user(atlas: CommandLine, fake: FakeOperator, name: str) -> None:
    fake.routes["/operator/find"] = {"users": ["ada"], "payments": ["pi_1"], "known": True}
    assert atlas("audit", "--user", name).code == 0
    assert [query["user"] for _, path, query, _ in fake.asked if path == "/operator/holders"] == [["ada"]]


def test_an_unknown_id_is_said_to_be_unknown(atlas: CommandLine) -> None:
    done = atlas("audit", "--user", "pi_unknown")
    assert done.code == 1
    assert "pi_unknown is unknown, here and at Stripe." in done.err


def test_an_audit_of_everybody_is_reported_and_one_of_a_single_user_is_not(atlas: CommandLine, fake: FakeOperator) -> None:
    sold(fake, at_stripe("ada", "cs_1"))
    assert atlas("audit").code == 1
    assert atlas("audit", "--user", "ada").code == 1
    assert fake.posts("/operator/audits") == [{"by": None, "paidNotPro": 1, "proNotPaid": 0, "secondPayments": 0, "users": 1}]


def test_an_audit_that_could_not_be_reported_says_so_and_keeps_its_result(atlas: CommandLine, fake: FakeOperator) -> None:
    del fake.routes["/operator/audits"]
    done = atlas("audit", "--json")
    assert (done.code, json.loads(done.out)["paidNotPro"]) == (0, [])
    assert "The support desk won't show this audit" in done.err
