"""No command folds or cuts an id where its output goes to a program, whatever the environment says of terminals."""

from __future__ import annotations

from typing import Any

import pytest

from support.fake_operator import CommandLine, FakeOperator, Lines, nobody

SESSION = "cs_test_" + "a1" * 29
USER, PAYMENT, EVENT = "user-" + "u" * 120, "pi_" + "3" * 60, "stripe:evt_" + "e" * 90 + ":purchase_succeeded"
FACT = {"eventId": EVENT, "type": "purchase_succeeded", "occurredAt": "2026-11-26T12:00:00Z", "receivedAt": "2026-11-26T12:00:01Z",
        "via": "webhook", "effect": "grants", "amount": {"amount": 1000, "of": 4900, "currency": "usd"}, "requestId": "r" * 70}  # fmt: skip
TOLD: dict[str, Any] = {
    **nobody(USER), "payments": [{"id": SESSION, "grants": False, "because": "amount_mismatch", "facts": [FACT]}], "adjustments": [FACT], "requests": [FACT],
    "rejected": [{"fact": FACT, "because": "amount_mismatch"}], "pending": [{"payment": PAYMENT, "id": SESSION, "what": "payment_processing", "since": "2026-11-26T12:00:00Z"}],
    "wouldChange": [f"A full refund of {PAYMENT} would end what {SESSION} grants, and nothing else would change it at all."],
}  # fmt: skip
PARKED = {"id": "pk_" + "p" * 80, "reason": "contradicting_user", "subject": "checkout.session.completed", "eventId": EVENT, "at": "2026-11-26T12:00:00Z",
          "userId": USER, "hopeless": "client_reference_id names another user than metadata.userId.",
          "dismissed": {"operator": "grace", "reason": f"refunded {PAYMENT} by hand", "at": "2026-11-26T12:00:00Z"}}  # fmt: skip
REFUSED = {"stage": "refused", "userId": USER, "what": f"checkout session {SESSION}", "because": "other_product"}
DONE = {"stage": "done", "read": 1, "new": 0, "known": 0, "refused": 1}


@pytest.fixture(params=["", "FORCE_COLOR", "TTY_COMPATIBLE"])
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, atlas: CommandLine, fake: FakeOperator) -> CommandLine:
    """The command line with its output in a pipe, and long ids everywhere."""
    if request.param:
        monkeypatch.setenv(request.param, "1")
    monkeypatch.setenv("COLUMNS", "80")
    fake.routes |= {
        "/operator/find": {"users": [USER], "payments": [PAYMENT], "known": True}, "/operator/explain": TOLD, "/operator/parked": [PARKED, PARKED],
        "/operator/reviews": {"refused": [{"userId": USER, "checkoutSessionId": SESSION, "reason": "amount_mismatch"}]},
        "/operator/holders": Lines([]), "/operator/backfill": Lines([{"stage": "started", "resumed": False}, REFUSED, DONE]),
        "/operator/forget": {"known": True, "places": [{"place": f"checkout session {SESSION}", "done": f"the name of {PAYMENT} is taken out of it"}]},
        "/operator/rebuild": Lines([{"result": {"facts": 1, "differences": 1, "users": [USER], "payments": [PAYMENT]}}]),
    }  # fmt: skip
    return atlas


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        (("explain", SESSION), [SESSION, EVENT, PAYMENT, USER, PARKED["id"], "r" * 70, "$10.00 of $49.00"]),
        (("parked", "list"), [PARKED["id"], EVENT, PARKED["hopeless"]]),
        (("parked", "list", "--dismissed"), [PARKED["id"], EVENT, PARKED["dismissed"]["reason"]]),
        (("audit",), [USER]),
        (("backfill",), [SESSION, USER]),
        (("forget", USER, "--yes"), [SESSION, PAYMENT, USER]),
        (("rebuild", "--verify"), [USER, PAYMENT]),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, tuple) else "",
)
def test_each_id_stands_whole_in_one_line(program: CommandLine, arguments: tuple[str, ...], whole: list[str]) -> None:
    done = program(*arguments)
    lines = (done.out + done.err).splitlines()
    for text in whole:
        assert any(text in line for line in lines), (text, lines)
    assert "\x1b" not in done.out


def test_a_row_is_one_line_with_all_its_cells(program: CommandLine) -> None:
    lines = program("parked", "list").out.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(PARKED["id"]) and line.endswith(PARKED["hopeless"]) for line in lines[1:])
    [row] = [line for line in program("explain", USER).out.splitlines() if line.startswith("2026") and "r" * 70 in line][:1]
    assert EVENT in row and "$10.00 of $49.00" in row
