"""Ids, types and reasons come from outside: no command takes them for markup, and no terminal obeys them."""

from __future__ import annotations

import pytest

from support.fake_operator import CommandLine, FakeOperator, Lines, Refused, nobody

HOSTILE = "[/x][red]:smile: \x1b[31m\x1b]0;title\x07 a\u202eb\u2066 \u200b\x9b2J\r\n\tend"
FORBIDDEN = {*map(chr, range(0x20)), "\x7f", *map(chr, range(0x80, 0xA0)), "\u202e", "\u2066", "\u200b"} - {"\n"}
FACT = {"eventId": HOSTILE, "type": HOSTILE, "occurredAt": HOSTILE, "receivedAt": HOSTILE, "via": HOSTILE, "effect": HOSTILE,
        "amount": {"amount": 1, "of": 2, "currency": HOSTILE}, "operator": HOSTILE, "ticket": HOSTILE}  # fmt: skip
PAYMENT = {"id": HOSTILE, "grants": True, "because": HOSTILE, "facts": [FACT], "provider": HOSTILE, "checkoutSessionId": HOSTILE}
VERDICT = {"isPro": True, "status": HOSTILE, "source": HOSTILE, "activeFrom": HOSTILE, "activeUntil": HOSTILE, "version": HOSTILE}
TOLD = {
    **nobody(HOSTILE), "verdict": VERDICT, "payments": [PAYMENT, {**PAYMENT, "because": "free_checkout"}], "adjustments": [FACT],
    "requests": [FACT], "rejected": [{"fact": FACT, "because": HOSTILE}, {"fact": HOSTILE, "because": HOSTILE}],
    "pending": [{"payment": HOSTILE, "what": HOSTILE, "since": HOSTILE, "id": HOSTILE}], "warnings": [HOSTILE],
    "wouldChange": [HOSTILE], "grantedByOperator": True,
}  # fmt: skip
PARKED = {"id": HOSTILE, "kind": HOSTILE, "reason": HOSTILE, "detail": HOSTILE, "subject": HOSTILE, "eventId": "ada", "at": HOSTILE}
HOLDER = {"userId": HOSTILE, "isPro": True, "status": HOSTILE, "source": HOSTILE, "payments": [{**PAYMENT, "provider": "stripe"}] * 2}

COMMANDS = [
    command
    for command, json_too in (
        (("explain", "ada"), True),
        (("explain", "pi_1"), True),
        (("parked", "list"), True),
        (("parked", "show", "evt_1"), True),
        (("parked", "redrive", HOSTILE), True),
        (("audit",), True),
        (("audit", "--user", "pi_1"), True),
        (("grant", "ada", "--reason", HOSTILE), False),
        (("revoke", "ada", "--reason", HOSTILE), False),
        (("revoke", "ada", "--reason", "x", "--payment", "pi_9"), False),
        (("revoke", "pi_1", "--reason", "x"), False),
        (("forget", "ada", "--yes"), False),
        (("rebuild",), True),
        (("rebuild", "--verify"), True),
        (("republish",), True),
        (("republish", "--user", HOSTILE), False),
        (("pull",), True),
        (("doctor",), True),
        (("logs", HOSTILE), False),
        ((HOSTILE,), False),
    )
    for command in ((command, (*command, "--json")) if json_too else (command,))
]


STATES = {"bucket": True, "right": False, "users": 1, "compared": 1, "missing": 1, "different": 0, "extra": 0, "examples": [HOSTILE]}


@pytest.fixture(autouse=True)
def hostile(fake: FakeOperator) -> None:
    fake.routes |= {
        "/operator/find": {"users": [HOSTILE], "payments": [HOSTILE], "known": True},
        "/operator/whose": {"known": True, "userId": HOSTILE, "checkoutSessionId": HOSTILE, "paymentIntentId": HOSTILE},
        "/operator/explain": TOLD,
        "/operator/reviews": {"refused": [{"userId": HOSTILE, "reason": HOSTILE, "checkoutSessionId": HOSTILE}]},
        "/operator/holders": Lines([HOLDER]),
        "/operator/parked": [PARKED],
        "/operator/parked/evt_1": PARKED,
        f"/operator/parked/{HOSTILE}/redrive": Refused(409, HOSTILE),
        "/operator/adjustments": {"eventId": HOSTILE, "appended": True},
        "/operator/forget": {"facts": 1, "sessions": 1, "places": [{"place": HOSTILE, "done": HOSTILE}]},
        "/operator/rebuild": Lines([{"result": {"facts": 1, "differences": 1, "users": [HOSTILE], "payments": [HOSTILE], "states": STATES}}]),
        "/operator/states": STATES,
        "/operator/republish": Lines([{"result": {"users": 1, "written": 1, "removed": 0, "announced": 1}}]),
        "/operator/pull": Lines([{"stage": "done", "counts": {HOSTILE: 1}, "cursor": HOSTILE}]),
    }


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: ascii(" ".join(arguments))[:60])
def test_nothing_hostile_reaches_the_terminal_and_nothing_crashes(atlas: CommandLine, arguments: tuple[str, ...]) -> None:
    done = atlas(*arguments)
    assert "Traceback" not in done.err
    assert not FORBIDDEN & set(done.out + done.err)


@pytest.mark.parametrize("command", [("explain", "ada"), ("parked", "list"), ("audit",)])
def test_it_is_shown_as_text_and_in_one_line(atlas: CommandLine, command: tuple[str, ...]) -> None:
    out = atlas(*command).out
    assert "[/x][red]:smile:" in out
    assert "\\x1b[31m" in out
    assert "\\r\\n\\tend" in out
    assert "\\u202e" in out


def test_an_error_of_a_service_is_text_too(atlas: CommandLine, fake: FakeOperator) -> None:
    fake.routes["/operator/parked"] = Refused(500, HOSTILE)
    done = atlas("parked", "list")
    assert done.code == 1
    assert "[/x][red]" in done.err
