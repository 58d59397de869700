"""`./atlas parked`: what another try would come to, and dismissing what can never succeed."""

from __future__ import annotations

import pytest

from support.fake_operator import CommandLine, FakeOperator

ROW = {"id": "pk_1", "reason": "contradicting_user", "subject": "checkout.session.completed", "eventId": "stripe:evt_1",
       "at": "2026-11-26T12:00:00Z", "userId": "ada", "hopeless": None, "dismissed": None}  # fmt: skip
HOPELESS = {**ROW, "hopeless": "client_reference_id names another user than metadata.userId."}
NOTE = {"reason": "refunded by hand", "operator": "grace", "at": "2026-11-26T13:00:00Z"}


def test_the_list_says_what_another_try_would_come_to(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes["/operator/parked"] = [ROW, {**HOPELESS, "id": "pk_2"}]
    out = atlas("parked", "list").out.splitlines()
    assert out[1].endswith("may succeed")
    assert out[2].endswith("fails: client_reference_id names another user than metadata.userId.")


def test_another_try_that_must_fail_is_not_made(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes["/operator/parked/pk_1"] = HOPELESS
    done = atlas("parked", "redrive", "pk_1")
    assert (done.code, done.out) == (1, "")
    assert "must fail, so nothing was sent: client_reference_id names another user" in done.err
    assert "./atlas parked dismiss pk_1" in done.err
    assert [method for method, *_ in fake.asked] == ["GET"]


def test_a_dismissal_carries_the_reason_and_who_gave_it(atlas: CommandLine, fake: FakeOperator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    fake.routes["/operator/parked/pk_1"] = ROW
    fake.routes["/operator/parked/pk_1/dismiss"] = lambda _query, body: {**body, "id": "pk_1"}
    done = atlas("parked", "dismiss", "pk_1", "--reason", "refunded by hand")
    assert done.code == 0
    assert "Dismissed: pk_1 (by grace: refunded by hand)." in done.out
    assert fake.posts("/operator/parked/pk_1/dismiss") == [{"reason": "refunded by hand", "operator": "grace"}]


def test_what_was_dismissed_is_listed_with_who_and_why(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes["/operator/parked"] = lambda query, _: [{**ROW, "dismissed": NOTE}] if query.get("dismissed") == ["true"] else []
    assert atlas("parked", "list").out == "Nothing is parked.\n"
    row = atlas("parked", "list", "--dismissed").out.splitlines()[1]
    assert "grace" in row and row.endswith("refunded by hand")
