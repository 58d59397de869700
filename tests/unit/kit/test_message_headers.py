"""Headers of messages, and the broker's answers to a publish, as bytes."""

from __future__ import annotations

import json

import pytest

from atlas_contracts.streams import BILLING
from atlas_kit.messaging.headers import answer_read, batch_headers, message_headers


@pytest.mark.parametrize("break_", ["\r", "\n", "\r\n"])
def test_a_message_id_cannot_add_a_header(break_: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        message_headers(f"id{break_}Nats-Rollup: all", BILLING)


def test_each_header_is_a_line_of_its_own() -> None:
    lines = (message_headers("id-ü", BILLING) + batch_headers("b", 3, last=True)).decode().split("\r\n")
    named = dict(line.split(": ", 1) for line in lines[:-1])
    assert (named["Nats-Msg-Id"], named["Nats-Expected-Stream"]) == ("id-ü", "BILLING")
    assert (named["Nats-Batch-Id"], named["Nats-Batch-Sequence"], named["Nats-Batch-Commit"]) == ("b", "3", "1")
    assert lines[-1] == ""
    assert b"Commit" not in batch_headers("b", 3, last=False)


@pytest.mark.parametrize(
    "answer",
    [
        b'{"stream":"BILLING","seq":7}',
        b'{"stream":"BILLING", "seq":7}',
        b'{"stream":"BILLING","seq":7,"duplicate":true}',
        b'{"stream":"a\\u0041","seq":7}',
        b'{"error":{"code":503,"err_code":10077},"stream":"BILLING","seq":0}',
    ],
)
def test_the_usual_answer_is_read_as_json_would_be(answer: bytes) -> None:
    told = {name: value for name, value in json.loads(answer).items() if name != "stream"}
    assert {name: value for name, value in answer_read(answer).items() if name != "stream"} == told


@pytest.mark.parametrize("answer", [b"", b"-ERR", b"[]", b'{"stream":"BILLING","seq":7}}'])
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of JSON's
        answer_read(answer)
