"""What is asked of the services when somebody does something at the desk, and what they are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, INGEST_SERVICE
from atlas_operator.desk.person import Action, Role, StaffMember
from atlas_operator.desk.ports import ActionForm, ActionRefused, DeskUnavailable
from atlas_operator.desk.support import Support
from atlas_operator.target import Target
from support.fake_operator import FakeOperator, fake_operator, nobody
from support.fake_operator import Refused as Answered
from support.identity import key_of

PETRA, PAUL = StaffMember("petra@support.example", Role.APPROVER), StaffMember("paul@support.example", Role.APPROVER)
GOOD = {"reason": "paid by bank transfer", "ticket": "T-1"}
GRANTED = {**nobody("ada"), "grantedByOperator": True, "adjustments": [{"eventId": "manual:k:entitlement_granted"}]}


@pytest.fixture
def fake() -> Iterator[FakeOperator]:
    with fake_operator() as running:
        running.routes["/operator/waiting-revokes"] = {"revokes": []}
        running.routes["/operator/support"] = {"secondPayments": [], "audit": None}
        yield running


def target(url: str) -> Target:
    services = (ENTITLEMENTS_SERVICE, CHECKOUT_SERVICE, INGEST_SERVICE)
    return Target(dict.fromkeys(services, url), SecretStr(json.dumps(key_of("operator"))), local=False)


def desk(fake: FakeOperator, *, two_people: bool = False) -> Support:
    return Support(target(fake.url), two_people=two_people)


def test_a_grant_carries_who_said_it_why_and_for_which_ticket(fake: FakeOperator) -> None:
    fake.routes["/operator/explain"] = GRANTED
    assert desk(fake).act(PETRA, ActionForm(Action.GRANT, "ada", **GOOD, key="k")).code == "granted"
    [body] = fake.posts("/operator/adjustments")
    assert {name: body[name] for name in ("userId", "action", "reason", "ticket", "operator")} == {
        "userId": "ada", "action": "grant", "reason": GOOD["reason"], "ticket": "T-1", "operator": PETRA.email,
    }  # fmt: skip


def test_one_form_sent_twice_says_one_thing_and_another_persons_form_another(fake: FakeOperator) -> None:
    fake.routes["/operator/explain"] = GRANTED
    for person, key in ((PETRA, "k"), (PETRA, "k"), (PETRA, "l"), (PAUL, "k")):
        desk(fake).act(person, ActionForm(Action.GRANT, "ada", **GOOD, key=key))
    keys = [body["idempotencyKey"] for body in fake.posts("/operator/adjustments")]
    assert (keys[0] == keys[1], len(set(keys))) == (True, 3)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"reason": "", "ticket": "T"}, "reason"),
        ({"reason": "abcd", "ticket": "T"}, "reason"),
        ({"reason": "a       b", "ticket": "T"}, "reason"),
        ({"reason": "x" * 501, "ticket": "T"}, "reason"),
        ({"reason": "good reason", "ticket": ""}, "ticket"),
        ({"reason": "good reason", "ticket": "   "}, "ticket"),
        ({"reason": "good reason", "ticket": "T" * 256}, "ticket"),
        ({"reason": "she wrote from ada@example.com", "ticket": "T"}, "reason"),
        ({"reason": "good reason", "ticket": "ada@example.com"}, "ticket"),
        ({"reason": "good\x00reason", "ticket": "T"}, "reason"),
    ],
)
@pytest.mark.parametrize("action", [Action.GRANT, Action.REVOKE])
def test_no_action_without_a_reason_and_a_ticket_and_no_buyers_address_in_them(
    fake: FakeOperator, action: Action, fields: dict[str, str], field: str
) -> None:
    with pytest.raises(ActionRefused) as refused:
        desk(fake).act(PETRA, ActionForm(action, "ada", **fields))
    assert refused.value.field == field
    assert [asked for asked in fake.asked if asked[0] == "POST"] == []


def test_reading_payments_needs_no_reason_and_keeps_the_one_that_is_given_in_the_log_line(
    fake: FakeOperator, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.routes["/operator/read-payments"] = {"outcome": "not_found"}
    agent = StaffMember("a@support.example", Role.AGENT)
    assert desk(fake).act(agent, ActionForm(Action.READ_PAYMENTS, "ada")).code == "read-none"
    assert desk(fake).act(agent, ActionForm(Action.READ_PAYMENTS, "ada", **GOOD)).code == "read-none"
    said = capsys.readouterr().out
    assert all(word in said for word in (GOOD["reason"], "T-1", agent.email))
    with pytest.raises(ActionRefused):
        desk(fake).act(agent, ActionForm(Action.READ_PAYMENTS, "ada", reason="ada@example.com wrote"))
    assert len(fake.posts("/operator/read-payments")) == 2


def test_who_may_not_do_it_is_refused_whoever_called(fake: FakeOperator) -> None:
    for role in (Role.VIEWER, Role.AGENT):
        for action in (Action.GRANT, Action.REVOKE, Action.UNDO, Action.APPROVE):
            with pytest.raises(ActionRefused):
                desk(fake).act(StaffMember("a@support.example", role), ActionForm(action, "ada", **GOOD))
    assert fake.asked == []


def test_a_revoke_of_nothing_changes_nothing_and_says_what_is_the_case(fake: FakeOperator) -> None:
    for two_people in (False, True):
        with pytest.raises(ActionRefused, match="No operator's grant makes ada Pro"):
            desk(fake, two_people=two_people).act(PETRA, ActionForm(Action.REVOKE, "ada", **GOOD))
    assert [asked for asked in fake.asked if asked[0] == "POST"] == []


def test_where_two_people_are_needed_a_revoke_is_asked_for_and_not_made(fake: FakeOperator) -> None:
    fake.routes["/operator/explain"] = GRANTED
    assert desk(fake, two_people=True).act(PETRA, ActionForm(Action.REVOKE, "ada", **GOOD)).code == "waits"
    assert fake.posts("/operator/adjustments") == []
    [body] = fake.posts("/operator/waiting-revokes")
    assert (body["userId"], body["requestedBy"], body["ticket"]) == ("ada", PETRA.email, "T-1")


def waiting(fake: FakeOperator, **changes: Any) -> None:
    row = {"id": "a" * 32, "userId": "ada", "paymentId": None, "reason": "why it is", "ticket": "T-1", "requestedBy": PETRA.email,
           "requestedAt": "2026-11-26T12:00:00Z", "approvedBy": None, **changes}  # fmt: skip
    fake.routes["/operator/waiting-revokes"] = {"revokes": [row]}
    fake.routes[f"/operator/waiting-revokes/{row['id']}/approve"] = {**row, "approvedBy": row["approvedBy"] or PAUL.email}
    fake.routes["/operator/explain"] = GRANTED


def test_an_approval_is_published_under_one_key_with_both_names(fake: FakeOperator) -> None:
    waiting(fake)
    for _ in range(2):
        desk(fake).act(PAUL, ActionForm(Action.APPROVE, "ada", waiting_id="a" * 32))
    first, second = fake.posts("/operator/adjustments")
    assert first == second
    assert (first["idempotencyKey"], first["operator"], first["approvedBy"]) == ("waiting-" + "a" * 32, PETRA.email, PAUL.email)


def test_nobody_approves_their_own_request_however_their_address_is_written(fake: FakeOperator) -> None:
    waiting(fake, requestedBy="PETRA@Support.Example")
    with pytest.raises(ActionRefused, match="another approver"):
        desk(fake).act(PETRA, ActionForm(Action.APPROVE, "ada", waiting_id="a" * 32))
    assert [asked for asked in fake.asked if asked[0] == "POST"] == []


def test_the_services_refusal_of_an_own_request_is_told_too(fake: FakeOperator) -> None:
    waiting(fake)
    fake.routes[f"/operator/waiting-revokes/{'a' * 32}/approve"] = Answered(403, "Forbidden.")
    with pytest.raises(ActionRefused, match="another approver"):
        desk(fake).act(PAUL, ActionForm(Action.APPROVE, "ada", waiting_id="a" * 32))


def test_only_this_buyers_parked_event_is_sent_again(fake: FakeOperator) -> None:
    fake.routes["/operator/parked"] = [{"id": "p/1", "userId": "ada"}, {"id": "p2", "userId": "bob"}, {"id": "p3", "userId": None}, {"id": "p4", "userId": "a\u202eb"}]
    for path in ("p/1", "p2", "p3", "p4"):
        fake.routes[f"/operator/parked/{path}/redrive"] = {"id": path}
    agent = StaffMember("agnes@support.example", Role.AGENT)
    assert desk(fake).act(agent, ActionForm(Action.REDRIVE, "ada", parked_id="p/1")).code == "redriven"
    for nobodys in ("p3", "p4"):
        assert desk(fake).act(agent, ActionForm(Action.REDRIVE, "", parked_id=nobodys)).code == "redriven"
    with pytest.raises(ActionRefused):
        desk(fake).act(agent, ActionForm(Action.REDRIVE, "ada", parked_id="p2"))
    posted = [path for method, path, _, _ in fake.asked if method == "POST"]
    assert posted == ["/operator/parked/p/1/redrive", "/operator/parked/p3/redrive", "/operator/parked/p4/redrive"]


def test_what_a_service_says_of_the_request_is_told_and_its_failures_are_not(fake: FakeOperator) -> None:
    fake.routes["/operator/adjustments"] = Answered(409, "This idempotency key was used before.")
    with pytest.raises(ActionRefused, match=r"^This idempotency key was used before\.$"):
        desk(fake).act(PETRA, ActionForm(Action.GRANT, "ada", **GOOD))
    for status in (401, 403, 500, 503):
        fake.routes["/operator/adjustments"] = Answered(status, "postgres is on fire at 10.0.0.1")
        with pytest.raises(DeskUnavailable) as told:
            desk(fake).act(PETRA, ActionForm(Action.GRANT, "ada", **GOOD))
        assert "postgres" not in str(told.value)


def test_without_webhook_ingest_the_pages_are_shown_and_say_what_is_missing(fake: FakeOperator) -> None:
    fake.routes["/operator/parked"] = fake.routes["/operator/pull"] = Answered(503)
    told, today = desk(fake).buyer("ada"), desk(fake).today()
    assert (told["parked"], told["unread"]) == ([], ["Parked events can't be read now."])
    assert len(today.unread) == 2


def test_an_email_is_asked_of_stripe_alone(fake: FakeOperator) -> None:
    fake.routes["/operator/find-buyers"] = {"known": True, "userIds": ["ada"], "more": False}
    assert desk(fake).find(" Ada@Example.com ").users == ("ada",)
    assert [(path, body) for _, path, _, body in fake.asked] == [("/operator/find-buyers", {"email": "Ada@Example.com"})]


def test_no_sentence_of_a_search_repeats_the_address(fake: FakeOperator) -> None:
    for answer in ([], ["ada", "bob"]):
        for known in (True, False):
            fake.routes["/operator/find-buyers"] = {"known": known, "userIds": answer, "more": True}
            assert "example.com" not in desk(fake).find("ada@example.com").said
