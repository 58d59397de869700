"""Whatever is typed wrongly is refused in one sentence, exit code 2, before anybody is asked to do anything."""

from __future__ import annotations

import pytest

from support.fake_operator import CommandLine, FakeOperator, Refused

REASON = ("--reason", "a gift")
NO_UTF8 = "ada\udcff"
USERS = {
    "empty": "", "too long": "u" * 256, "padded": "mia ", "padded in front": " mia", "ideographic space": "mia\u3000",
    "invisible": "\u200b", "invisible at its end": "mia\u200b", "bidirectional": "a\u202eb", "escape": "a\x1b[31m",
    "line break": "a\nb", "no UTF-8": NO_UTF8, "a payment": "pi_123", "a session": "cs_test_1",
}  # fmt: skip
OTHERS = [
    ("grant", "ada", "--reason", ""),
    ("grant", "ada", "--reason", "   "),
    ("grant", "ada", "--reason", "r" * 501),
    ("grant", "ada", "--reason", NO_UTF8),
    ("grant", "ada"),
    ("grant",),
    ("grant", "ada", "bob", *REASON),
    ("grant", "ada", *REASON, "--ticket", ""),
    ("grant", "ada", *REASON, "--ticket", "t" * 256),
    ("grant", "ada", *REASON, "--key", ""),
    ("grant", "ada", *REASON, "--idempotency-key", "k" * 201),
    ("grant", "ada", *REASON, "--key", "ключ"),
    ("grant", "ada", *REASON, "--key", " k"),
    ("grant", "ada", *REASON, "--nonsense"),
    ("revoke", "ada", "--reason", ""),
    ("revoke", "ada", "--reason", "r" * 501),
    ("revoke", "ada", *REASON, "--undo"),
    ("revoke", "ada", *REASON, "--payment", ""),
    ("revoke", "ada", *REASON, "--payment", "ch_1"),
    ("revoke", "ada", *REASON, "--payment", "pi_1 "),
    ("forget", "ada"),
    ("forget",),
    ("explain",),
    ("explain", ""),
    ("explain", "mia "),
    ("explain", "u" * 256),
    ("explain", "a\x1bb"),
    ("explain", NO_UTF8),
    ("audit", "--user", ""),
    ("audit", "--user", "mia "),
    ("audit", "--user", NO_UTF8),
    ("audit", "--days", "0"),
    ("audit", "--days", "3651"),
    ("audit", "--days", "many"),
    ("pull", "--since", "0h"),
    ("backfill", "--since", "yesterday"),
    ("backfill", "--since", "2026-13-01"),
    ("backfill", "--since", "2999-01-01"),
    ("backfill", "--since", "2999-01-01T00:00:00Z"),
    ("backfill", "--since", "\x1b[2J"),
    ("backfill", "--rate", "0"),
    ("backfill", "--rate", "nan"),
    ("pull", "--since", "31d"),
    ("pull", "--since", "yesterday"),
    ("parked",),
    ("parked", "show"),
    ("parked", "show", ""),
    ("parked", "show", NO_UTF8),
    ("parked", "redrive", ""),
    ("parked", "nonsense"),
    ("rebuild", "extra"),
    ("republish", "extra"),
    ("republish", "--user", " ada"),
    ("republish", "--user", ""),
    ("status", "extra"),
    ("promote", "extra"),
    ("up", "--brokers", "2"),
    ("up", "--brokers", "three"),
    ("up", "--replicas", "0"),
    ("up", "--replicas", "-1"),
    ("doctor", "--nonsense"),
    ("logs",),
    ("logs", "nats", "--lines", "-1"),
    ("logs", "nonsense"),
    ("up", "--port-base", "80"),
    ("up", "--port-base", "many"),
    ("nonsense",),
]


def _commands() -> list[tuple[str, ...]]:
    with_user = [
        command
        for user in USERS.values()
        for command in (("grant", user, *REASON), ("revoke", user, *REASON), ("forget", user, "--yes"))
    ]
    return with_user + OTHERS


@pytest.mark.parametrize("arguments", _commands(), ids=lambda arguments: ascii(" ".join(arguments))[:60])
def test_bad_input_is_refused_in_one_sentence(
    atlas: CommandLine, fake: FakeOperator, arguments: tuple[str, ...]
) -> None:
    done = atlas(*arguments)
    assert done.code == 2, done
    assert [path for method, path, _, _ in fake.asked if method == "POST"] == []
    if arguments != ("parked",):  # which prints its help
        assert done.err.startswith("✗ ")
        assert len(done.err.splitlines()) <= 2, "a sentence, and perhaps a remedy"
        assert done.out == ""
    assert "Traceback" not in done.err + done.out
    assert "\x1b" not in done.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("grant", "ada", "--reason", ""), "✗ --reason must not be empty."),
        (("grant", "", *REASON), "✗ USER must not be empty."),
        (("grant", "ada", "--reason", "r" * 501), "✗ --reason must have at most 500 characters; this has 501."),
        (("forget", "u" * 256, "--yes"), "✗ USER must have at most 255 characters; this has 256."),
        (("explain", ""), "✗ ID must not be empty."),
    ],
)
def test_the_sentence_names_what_is_wrong(atlas: CommandLine, arguments: tuple[str, ...], sentence: str) -> None:
    assert atlas(*arguments).err.splitlines()[0] == sentence


def test_what_a_service_finds_senseless_is_bad_input_too(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes["/operator/adjustments"] = Refused(400, "The idempotency key was used for something else.")
    done = atlas("grant", "ada", *REASON)
    assert done.code == 2
    assert "used for something else" in done.err


def test_a_stripe_id_as_user_is_refused_with_whom_it_belongs_to(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes["/operator/find"] = {"users": ["ada"], "payments": ["pi_1"], "known": True}
    for command in (("grant", "pi_1", *REASON), ("revoke", "pi_1", *REASON), ("forget", "pi_1", "--yes")):
        done = atlas(*command)
        assert done.code == 2
        assert f"./atlas {command[0]} ada" in done.err


def test_a_user_whose_id_looks_like_stripes_is_a_user(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes["/operator/find"] = {"users": ["pi_1"], "payments": [], "known": True}
    assert atlas("forget", "pi_1", "--yes").code == 0
