"""Revokes that need two people, against a whole running system."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from atlas_operator.client import Operator
from atlas_operator.target import Target, find_exactly
from support.buyer import Buyer, explain
from support.desk import ROLES, ServedDesk, served_desk
from support.stack import Stack

PETRA, PAUL = "petra@support.example", "paul@support.example"
WHY = {"reason": "paid by bank transfer", "ticket": "T-77"}


@pytest.fixture(scope="module")
def target(stack: Stack) -> Target:
    return find_exactly({"ATLAS_HOME": str(stack.home)})


@pytest.fixture(scope="module")
def careful(target: Target) -> Iterator[ServedDesk]:
    """A desk where a revoke needs two people."""
    with served_desk(target, DESK_TWO_PEOPLE="true") as served:
        yield served


def waiting(target: Target, user: str) -> list[dict[str, str]]:
    return list(Operator(target).get("entitlements", "/operator/waiting-revokes", user=user)["revokes"])


def test_a_revoke_waits_for_another_approver_and_survives_a_restart_of_the_desk(stack: Stack, careful: ServedDesk, target: Target, buyer: Buyer) -> None:
    intent = buyer.payment_intent(buyer.buy())
    with careful.as_(PETRA) as petra:
        assert petra.act("revoke", buyer.user, payment=intent, key="f", **WHY) == "waits"
        assert petra.act("revoke", buyer.user, payment=intent, key="f", **WHY) == "waits", "sent twice"
        assert petra.act("revoke", buyer.user, payment=intent, key="g", **WHY) == "waits", "asked for twice"
        [row] = waiting(target, buyer.user)
        assert buyer.is_pro(), "nothing is done yet"
        assert petra.act("approve", buyer.user, waiting=row["id"]).startswith("400")
    with careful.as_("PETRA@SUPPORT.EXAMPLE") as herself:
        assert herself.act("approve", buyer.user, waiting=row["id"]).startswith("400")
    assert buyer.is_pro()
    with careful.as_(ROLES["agent"]) as agent:
        assert agent.act("approve", buyer.user, waiting=row["id"]).startswith("403")
    with served_desk(target, DESK_TWO_PEOPLE="true") as restarted, restarted.as_(PAUL) as paul:
        assert "Approve" in paul.get("/today").text
        assert "Approve" in paul.get("/buyer", user=buyer.user).text
        assert paul.act("approve", "somebody-else", waiting=row["id"]).startswith("400")
        assert paul.act("approve", buyer.user, waiting=row["id"]) == "approved"
        assert paul.act("approve", buyer.user, waiting=row["id"]).startswith("400"), "it is done"
    assert not buyer.is_pro()
    [fact] = [fact for payment in explain(stack, buyer.user)["payments"] for fact in payment["facts"] if fact["via"] == "operator"]
    assert (fact["operator"], fact["approvedBy"], fact["ticket"]) == (PETRA, PAUL, WHY["ticket"])
    assert waiting(target, buyer.user) == []


def test_the_service_itself_refuses_an_own_approval(target: Target, careful: ServedDesk, buyer: Buyer) -> None:
    intent = buyer.payment_intent(buyer.buy())
    with careful.as_(PETRA) as petra:
        petra.act("revoke", buyer.user, payment=intent, **WHY)
        [row] = waiting(target, buyer.user)
    for spelling in (PETRA, PETRA.upper(), f" {PETRA} "):
        with pytest.raises(Exception, match="403"):
            Operator(target).post("entitlements", f"/operator/waiting-revokes/{row['id']}/approve", {"by": spelling})
    assert waiting(target, buyer.user) == [row]


def test_two_approvals_at_once_and_one_that_was_cut_off_make_one_fact(stack: Stack, target: Target, careful: ServedDesk, buyer: Buyer) -> None:
    intent = buyer.payment_intent(buyer.buy())
    with careful.as_(PETRA) as petra:
        petra.act("revoke", buyer.user, payment=intent, **WHY)
        [row] = waiting(target, buyer.user)
    # A desk that was killed between writing the approval down and publishing it.
    Operator(target).post("entitlements", f"/operator/waiting-revokes/{row['id']}/approve", {"by": "first@support.example"})
    [cut_off] = waiting(target, buyer.user)
    assert cut_off["approvedBy"] == "first@support.example", "it waits until the ledger has it"
    with careful.as_(PAUL) as paul, careful.as_("Third@support.example") as third:
        assert third.get("/").status_code == 403
        with careful.as_(PETRA) as petra:
            assert petra.act("withdraw", buyer.user, waiting=row["id"]).startswith("400"), "it may be done at any moment"
        paul.csrf  # noqa: B018 - read before both begin
        with ThreadPoolExecutor(4) as pool:
            codes = set(pool.map(lambda _: paul.act("approve", buyer.user, waiting=row["id"])[:8], range(4)))
    assert "approved" in codes
    facts = [fact for payment in explain(stack, buyer.user)["payments"] for fact in payment["facts"] if fact["via"] == "operator"]
    assert [(fact["operator"], fact["approvedBy"]) for fact in facts] == [(PETRA, "first@support.example")]


def test_a_waiting_revoke_can_be_withdrawn_and_goes_with_its_user(stack: Stack, target: Target, careful: ServedDesk, buyer: Buyer) -> None:
    intent = buyer.payment_intent(buyer.buy())
    with careful.as_(PETRA) as petra:
        petra.act("revoke", buyer.user, payment=intent, key="1", **WHY)
        [row] = waiting(target, buyer.user)
        assert petra.act("withdraw", buyer.user, waiting=row["id"]) == "withdrawn"
        assert waiting(target, buyer.user) == []
        assert petra.act("revoke", buyer.user, payment=intent, key="1", **WHY).startswith("400"), "that form is used up"
        assert petra.act("revoke", buyer.user, payment=intent, key="2", **WHY) == "waits"
    assert stack.atlas("forget", buyer.user, "--yes").returncode == 0
    with psycopg.connect(stack.json["postgres"]["databases"]["entitlements"]) as connection:
        assert connection.execute("SELECT count(*) FROM waiting_revokes WHERE user_id = %s", (buyer.user,)).fetchone() == (0,)
