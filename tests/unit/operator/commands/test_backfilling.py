"""`./atlas backfill`: what it asks, what it prints, and how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.fake_operator import CommandLine, FakeOperator, Lines

PATH = "/operator/backfill"
STARTED = {"stage": "started", "since": None, "dryRun": False, "resumed": False}
PAGE = {"stage": "page", "read": 100, "new": 90, "known": 3, "refused": 7, "reached": "2025-04-01T00:00:00Z"}
DONE = {"stage": "done", "read": 100, "new": 90, "known": 3, "refused": 7}


def refused(number: int, because: str, user: str | None = None) -> dict[str, Any]:
    return {"stage": "refused", "userId": user, "what": f"checkout session cs_{number}", "because": because}


def test_it_says_what_was_new_known_and_refused_with_some_examples(atlas: CommandLine, fake: FakeOperator) -> None:
    rows = [refused(1, "made_by_a_payment_link", "ada"), *(refused(n, "no_user_in_metadata") for n in range(2, 9))]
    fake.routes[PATH] = Lines([STARTED, {"stage": "alive"}, *rows, PAGE, {**DONE, "refused": 8}])
    done = atlas("backfill")
    assert done.code == 0
    assert done.out.splitlines() == [
        "100 checkout sessions read at Stripe: 90 new, 3 known already, 8 refused.",
        "  7 name no user in their metadata: cs_2, cs_3, cs_4, cs_5, cs_6, …",
        "  1 were made by a payment link: cs_1 (ada)",
        "1 user is Pro now (1 before).",
    ]


def test_for_programs_it_is_the_shape_of_the_contract(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes[PATH] = Lines([STARTED, refused(1, "other_product", "ada"), PAGE, DONE])
    done = atlas("backfill", "--json")
    assert done.code == 0
    assert json.loads(done.out) == {
        "read": 100, "new": 90, "known": 3,
        "refused": [{"userId": "ada", "what": "checkout session cs_1", "because": "other_product"}],
    }  # fmt: skip


def test_a_dry_run_says_that_nothing_was_changed(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes[PATH] = Lines([STARTED, PAGE, DONE])
    assert atlas("backfill", "--dry-run").out.startswith("Nothing was changed.\n100 checkout sessions read at Stripe: 90 would be new,")
    assert fake.asked[-1][3]["dryRun"] is True


@pytest.mark.parametrize(("typed", "meant"), [("2026-03-01", "2026-03-01T00:00:00Z"), ("2026-03-01T12:00:00+02:00", "2026-03-01T10:00:00Z"), ("2026-03-01T12:00", "2026-03-01T12:00:00Z")])
def test_since_is_a_utc_day_or_an_instant(atlas: CommandLine, fake: FakeOperator, typed: str, meant: str) -> None:
    fake.routes[PATH] = Lines([STARTED, DONE])
    assert atlas("backfill", "--since", typed, "--rate", "2.5", "--from-start").code == 0
    assert fake.posts("/operator/backfill")[-1] == {"since": meant, "dryRun": False, "fromStart": True, "requestsPerSecond": 2.5}


@pytest.mark.parametrize("end", [[{"stage": "failed", "error": {"message": "Stripe is temporarily unavailable. Please try again later."}}], []])
def test_what_could_not_be_finished_says_that_the_next_call_goes_on(atlas: CommandLine, fake: FakeOperator, end: list[dict[str, Any]]) -> None:
    fake.routes[PATH] = Lines([STARTED, PAGE, *end])
    done = atlas("backfill", "--json")
    assert (done.code, done.out) == (1, "")
    assert "call ./atlas backfill again to go on from there" in done.err


def test_hostile_words_are_shown_as_text(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes[PATH] = Lines([STARTED, refused(1, "\x1b[2Jboo", "a\u202eb"), PAGE, DONE])
    out = atlas("backfill").out
    assert "\x1b" not in out
    assert "\u202e" not in out
