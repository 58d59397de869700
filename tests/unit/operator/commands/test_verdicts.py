"""Every command that can change who is Pro says who is, when it is done: the commands are asked of the program itself."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from typer.main import get_command

from atlas_operator.command_line import COMMANDS, build
from atlas_operator.commands import import_
from support.fake_operator import CommandLine, FakeOperator, Lines, nobody

CHANGE_NOTHING = {
    ("explain",), ("audit",), ("export",), ("doctor",), ("shadow", "project-atlas"), ("parked", "list"), ("parked", "show"),
    ("stripe", "setup"), ("keys", "make"), ("keys", "rotate"), ("keys", "trusted"),
}  # fmt: skip
"""They tell, or change what is no verdict: an account at Stripe, keys."""
ONE = "ada is Pro: active through stripe, since 2026-11-26 12:00:00 UTC (version 2)."
MANY = "2 users are Pro now (1 before)."
CALLED: dict[tuple[str, ...], tuple[tuple[str, ...], str]] = {
    ("grant",): (("grant", "ada", "--reason", "a gift"), ONE),
    ("revoke",): (("revoke", "ada", "--payment", "pi_1", "--reason", "money back"), ONE),
    ("parked", "redrive"): (("parked", "redrive", "pk_1"), ONE),
    ("parked", "dismiss"): (("parked", "dismiss", "pk_1", "--reason", "junk"), ONE),
    ("forget",): (("forget", "ada", "--yes"), ONE),
    ("republish",): (("republish", "--user", "ada"), ONE),
    ("pull",): (("pull",), MANY),
    ("backfill",): (("backfill",), MANY),
    ("rebuild",): (("rebuild",), MANY),
    ("import", "project-atlas"): (("import", "project-atlas", "postgresql://u@127.0.0.1:9/d"), MANY),
}
EVENT = "stripe:evt_1:purchase_succeeded"
PRO = {
    "isPro": True,
    "status": "active",
    "source": "stripe",
    "activeFrom": "2026-11-26T12:00:00Z",
    "activeUntil": None,
    "version": 2,
}
PAYMENT = {"id": "pi_1", "grants": True, "because": "paid", "facts": [{"eventId": EVENT}]}


def commands(command: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    inner = getattr(command, "commands", {})
    return {leaf for name in inner for leaf in commands(inner[name], (*path, name))} if inner else {path}


@pytest.fixture(autouse=True)
def system(fake: FakeOperator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system in which a second user becomes Pro as soon as anybody does anything."""
    parked = {"id": "pk_1", "userId": "ada", "hopeless": None}
    adjusted = [{"eventId": "manual:k:entitlement_granted"}]
    fake.routes |= {
        "/operator/explain": {**nobody("ada"), "verdict": PRO, "payments": [PAYMENT], "adjustments": adjusted},
        "/operator/find": {"users": ["ada"], "payments": ["pi_1"], "known": True},
        "/operator/parked/pk_1": parked,
        "/operator/parked/pk_1/redrive": {"id": "pk_1", "eventId": EVENT},
        "/operator/parked/pk_1/dismiss": {"operator": "grace", "reason": "junk"},
        "/operator/pull": Lines([{"stage": "done", "counts": {"accepted": 1}}]),
        "/operator/backfill": Lines([{"stage": "done", "read": 1, "new": 1, "known": 0}]),
        "/operator/republish": Lines([{"result": {"users": 1, "written": 1, "removed": 0, "announced": 0}}]),
        "/operator/state": lambda *_: (
            {"ledgerFacts": 2, "pro": 2}
            if any(method == "POST" for method, *_ in fake.asked)
            else {"ledgerFacts": 1, "pro": 1}
        ),
    }

    def imported(operator: Any, *_: Any, **__: Any) -> list[Any]:
        operator.post("entitlements", "/operator/audits", {})
        return []

    monkeypatch.setattr(import_, "opened", lambda _dsn: contextlib.nullcontext())
    monkeypatch.setattr(import_, "import_grants", imported)
    monkeypatch.setattr(import_, "import_purchases", lambda *_, **__: None)


def test_every_command_changes_nothing_or_is_called_here() -> None:
    assert commands(get_command(build(COMMANDS, [], ""))) == CHANGE_NOTHING | set(CALLED)


@pytest.mark.parametrize(("arguments", "said"), CALLED.values(), ids=map(" ".join, CALLED))
def test_the_verdict_that_results_is_its_last_line(atlas: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    done = atlas(*arguments)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1].rstrip(".") == said.rstrip(".")


@pytest.mark.parametrize(
    "arguments", [("pull", "--dry-run"), ("backfill", "--dry-run"), ("rebuild", "--verify"), ("pull", "--json")]
)
def test_what_changes_nothing_or_is_for_programs_compares_nothing(
    atlas: CommandLine, fake: FakeOperator, arguments: tuple[str, ...]
) -> None:
    assert "Pro now" not in atlas(*arguments).out
    assert "/operator/state" not in [path for _, path, *_ in fake.asked]


def test_a_command_whose_effect_can_not_be_read_says_so(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes["/operator/state"] = {"ledgerFacts": "?"}
    done = atlas("pull")
    assert done.code == 0
    assert "How many users are Pro now can't be read" in done.err
