"""`./atlas republish`, and what rebuild and doctor say of the state bucket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.fake_operator import CommandLine, FakeOperator, Lines, Refused

NOTHING = {"users": 3, "written": 0, "removed": 0, "announced": 0}
RIGHT = {"bucket": True, "right": True, "users": 3, "compared": 3, "missing": 0, "different": 0, "extra": 0, "examples": []}


def answers(fake: FakeOperator, **done: int) -> None:
    fake.routes["/operator/republish"] = Lines([{"done": 1, "total": 3}, {"result": NOTHING | done}])


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ({}, "3 users: everything was right already.\n"),
        ({"written": 1, "removed": 2, "announced": 1}, "3 users: 1 entry written, 2 entries of nobody removed and 1 announcement sent again.\n"),
        ({"users": 1, "written": 2000}, "1 user: 2,000 entries written.\n"),
    ],
)
def test_it_says_what_was_written(atlas: CommandLine, fake: FakeOperator, done: dict[str, int], said: str) -> None:
    answers(fake, **done)
    told = atlas("republish")
    first, mirrors, verdict = told.out.splitlines()
    assert verdict == "1 user is Pro now."
    assert (told.code, f"{first}\n") == (0, said)
    assert "mirrors were not looked at: set NATS_ADMIN_URL" in mirrors, "nobody gave the credentials for them"
    assert fake.posts("/operator/republish") == [{"userId": None}]
    assert json.loads(atlas("republish", "--json").out) == {**NOTHING, **done, "mirrors": [mirrors]}


def test_one_user_is_asked_for_and_somebody_unknown_is_a_failure(atlas: CommandLine, fake: FakeOperator) -> None:
    answers(fake, users=1)
    assert atlas("republish", "--user", "ada").code == 0
    assert fake.posts("/operator/republish") == [{"userId": "ada"}]
    answers(fake, users=0)
    told = atlas("republish", "--user", "ada")
    assert (told.code, told.out) == (1, "") and "Nothing is known of ada" in told.err


@pytest.mark.parametrize(
    "answer", [Lines([{"done": 1, "total": 3}]), Lines([{"error": "The broker does not answer."}]), Refused(503, "Later.")]
)
def test_an_answer_that_is_cut_off_or_an_error_is_a_failure(atlas: CommandLine, fake: FakeOperator, answer: Any) -> None:
    fake.routes["/operator/republish"] = answer
    told = atlas("republish")
    assert (told.code, told.out) == (1, "") and told.err


@pytest.mark.parametrize(
    ("states", "code", "said"),
    [
        (None, 0, ""),
        (RIGHT, 0, "The bucket of states says the same of 3 users."),
        (RIGHT | {"right": False, "different": 1, "examples": ["ada"]}, 1, "1 user with an entry that says something else (ada)"),
        (RIGHT | {"right": False, "bucket": False}, 1, "it is missing"),
        (RIGHT | {"right": False, "extra": 2}, 1, "2 keys of nobody"),
        ({"error": "the broker does not answer"}, 1, "was not compared: the broker does not answer"),
    ],
)
def test_a_verification_fails_where_the_bucket_differs(
    atlas: CommandLine, fake: FakeOperator, states: Any, code: int, said: str
) -> None:
    result = {"facts": 1, "differences": 0, **({"states": states} if states else {})}
    fake.routes["/operator/rebuild"] = Lines([{"result": result}])
    told = atlas("rebuild", "--verify")
    assert told.code == code and said in told.out + told.err
    assert ("./atlas republish" in told.err) == (code == 1 and "error" not in states)
