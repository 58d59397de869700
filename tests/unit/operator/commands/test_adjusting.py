"""`./atlas grant`, `revoke` and `forget`: what they refuse, what they send, what they say afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from support.fake_operator import CommandLine, FakeOperator, Refused, nobody

REASON = ("--reason", "money back by bank transfer")
PAYMENT = {"id": "pi_1", "grants": True, "because": "paid", "facts": [{"eventId": "stripe:evt_1:purchase_succeeded"}]}
ACTIVE = {"isPro": True, "status": "active", "source": "stripe", "activeFrom": "2026-11-26T12:00:00Z", "activeUntil": None, "version": 1}


class Ledger:
    """A ledger that folds one user's adjustments."""

    def __init__(self, fake: FakeOperator, told: dict[str, Any], owners: dict[str, list[str]] | None = None) -> None:
        self.told, self.late = told, 0
        fake.routes["/operator/explain"] = self._explain
        fake.routes["/operator/adjustments"] = self._adjust
        known = owners or {}
        fake.routes["/operator/find"] = lambda query, _: {
            "users": known.get(query["id"][0], []), "payments": ["pi_1"], "known": query["id"][0] in known,
        }  # fmt: skip

    def _explain(self, _query: Any, _body: Any) -> dict[str, Any]:
        if self.late:
            self.late -= 1
            return {**self.told, "adjustments": []}
        return self.told

    def _adjust(self, _query: Any, body: dict[str, Any]) -> dict[str, Any]:
        event = f"manual:{body['idempotencyKey']}:{body['action']}"
        known = any(fact["eventId"] == event for fact in self.told["adjustments"])
        self.told = {**self.told, "adjustments": [*self.told["adjustments"], {"eventId": event, "effect": body["action"]}]}
        if body["action"] == "grant":
            self.told = {**self.told, "verdict": {**ACTIVE, "source": "manual"}, "grantedByOperator": True}
        return {"eventId": event, "appended": not known}


def bought(**more: Any) -> dict[str, Any]:
    return {**nobody("ada"), "verdict": ACTIVE, "payments": [PAYMENT], **more}


def test_a_grant_carries_its_ticket_and_key_and_prints_the_verdict_once_it_is_applied(atlas: CommandLine, fake: FakeOperator) -> None:
    Ledger(fake, nobody("ada")).late = 3
    done = atlas("grant", "ada", "--reason", "a gift", "--ticket", "T-1", "--key", "k1")
    assert done.code == 0
    assert done.out.splitlines()[0] == "Grant recorded for ada."
    assert done.out.splitlines()[1].startswith("ada is Pro: active through manual")
    [body] = fake.posts("/operator/adjustments")
    told = {name: body.get(name) for name in ("userId", "action", "reason", "ticket", "idempotencyKey")}
    assert told == {"userId": "ada", "action": "grant", "reason": "a gift", "ticket": "T-1", "idempotencyKey": "k1"}
    assert atlas("grant", "ada", "--reason", "a gift", "--idempotency-key", "k1").out.startswith("This grant was recorded before.")


def test_revoking_a_buyer_changes_nothing_and_says_through_what_they_are_pro(atlas: CommandLine, fake: FakeOperator) -> None:
    Ledger(fake, bought())
    done = atlas("revoke", "ada", *REASON)
    assert done.code == 1
    assert fake.posts("/operator/adjustments") == []
    assert "No operator's grant makes ada Pro; nothing was changed." in done.err
    assert "ada is Pro through payment pi_1" in done.err
    assert "./atlas revoke ada --payment pi_1" in done.err


def test_revoking_somebody_who_is_not_pro_says_so(atlas: CommandLine, fake: FakeOperator) -> None:
    Ledger(fake, nobody("ada"))
    done = atlas("revoke", "ada", *REASON)
    assert (done.code, fake.posts("/operator/adjustments")) == (1, [])
    assert "ada is not Pro" in done.err


def test_an_operators_grant_beside_a_payment_is_ended_and_the_payment_stays(atlas: CommandLine, fake: FakeOperator) -> None:
    Ledger(fake, bought(grantedByOperator=True))
    done = atlas("revoke", "ada", *REASON)
    assert done.code == 0
    assert [body["action"] for body in fake.posts("/operator/adjustments")] == ["revoke"]
    assert "ada is Pro: active through stripe" in done.out


def test_a_revoke_told_again_under_its_key_is_no_failure(atlas: CommandLine, fake: FakeOperator) -> None:
    Ledger(fake, {**nobody("ada"), "adjustments": [{"eventId": "manual:k1:revoke", "effect": "revoke: x"}]})
    done = atlas("revoke", "ada", *REASON, "--key", "k1")
    assert done.code == 0
    assert "recorded before" in done.out


@pytest.mark.parametrize("payment", ["pi_1", "cs_1"])
def test_what_a_payment_grants_is_ended_by_any_of_its_ids(atlas: CommandLine, fake: FakeOperator, payment: str) -> None:
    Ledger(fake, bought(), {payment: ["ada"]})
    done = atlas("revoke", "ada", *REASON, "--payment", payment)
    assert done.code == 0, done
    [body] = fake.posts("/operator/adjustments")
    assert (body["action"], body["paymentId"]) == ("revoke_payment", payment)
    assert done.out.startswith("Revoke payment recorded for ada.")


@pytest.mark.parametrize(("owners", "said"), [({"pi_9": ["bob"]}, "a payment of bob"), ({}, "unknown, here and at Stripe")])
def test_a_payment_of_somebody_else_is_not_revoked(
    atlas: CommandLine, fake: FakeOperator, owners: dict[str, list[str]], said: str
) -> None:
    Ledger(fake, bought(), owners)
    done = atlas("revoke", "ada", *REASON, "--payment", "pi_9")
    assert done.code == 1
    assert "pi_9 is no payment of ada; nothing was changed." in done.err
    assert said in done.err
    assert fake.posts("/operator/adjustments") == []


def test_undo_takes_a_revocation_back_and_nothing_else(atlas: CommandLine, fake: FakeOperator) -> None:
    Ledger(fake, bought(), {"pi_1": ["ada"]})
    assert atlas("revoke", "ada", *REASON, "--payment", "pi_1", "--undo").code == 1
    assert fake.posts("/operator/adjustments") == []
    revoked = {**PAYMENT, "grants": False, "because": "revoked_by_operator"}
    Ledger(fake, bought(payments=[revoked]), {"pi_1": ["ada"]})
    assert atlas("revoke", "ada", *REASON, "--payment", "pi_1").code == 1
    done = atlas("revoke", "ada", *REASON, "--payment", "pi_1", "--undo")
    assert done.code == 0
    assert [body["action"] for body in fake.posts("/operator/adjustments")] == ["undo_revoke_payment"]


def test_forgetting_while_a_payment_is_processed_is_refused_unless_it_is_meant(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes["/operator/find"] = {"users": ["ada"], "payments": [], "known": True}
    places = [{"place": "Stripe customer cus_1", "done": "name taken out"}, {"place": "ledger and projection", "done": "facts kept without a name: 3"}]
    fake.routes["/operator/forget"] = lambda _, body: (
        {"known": True, "facts": 3, "sessions": 1, "places": places} if body.get("evenIfPaying") or ("evenIfPaying" not in body and refused is None) else refused
    )
    refused: Refused | None = Refused(409, "A payment of this user is being processed: wait, or forget --even-if-paying.")
    done = atlas("forget", "ada", "--yes")
    assert done.code == 1
    assert "is being processed" in done.err
    assert "Nothing was forgotten." in done.err
    assert "--even-if-paying" in done.err
    assert len(fake.posts("/operator/forget")) == 1
    refused = None
    done = atlas("forget", "ada", "--yes", "--even-if-paying")
    assert done.code == 0
    assert done.out.splitlines() == [
        "Forgotten: ada",
        "  Stripe customer cus_1: name taken out",
        "  ledger and projection: facts kept without a name: 3", "ada is not Pro: none (version 0)",
    ]
    assert len(fake.posts("/operator/forget")) == 2, "the checkout service asks for the ledger's part"


def test_forgetting_somebody_unknown_is_done_and_said(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes["/operator/forget"] = {"known": False, "facts": 0, "sessions": 0, "places": []}
    done = atlas("forget", "ada", "--yes")
    assert (done.code, done.out) == (0, "Nothing was known of ada.\n")
