from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_kit.process import context

TRACE = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"


def test_the_callers_id_is_kept_when_it_is_one() -> None:
    assert context.accept_request_id("a", "b") == "a"
    assert context.accept_request_id(None, "b") == "b"
    assert context.accept_request_id("not one", "Az09._:-") == "Az09._:-"
    assert context.accept_request_id("x" * 128) == "x" * 128


@pytest.mark.parametrize("bad", [None, "", "a b", "a\r\nSet-Cookie: x", "é", "x" * 129, "a\n", "<script>"])
def test_anything_else_gets_a_new_id(bad: str | None) -> None:
    assert context.accept_request_id(bad).startswith("req_")


@given(st.text())
def test_an_accepted_id_is_always_safe_in_a_header(text: str) -> None:
    accepted = context.accept_request_id(text)
    assert accepted.isascii() and accepted.isprintable() and " " not in accepted and 1 <= len(accepted) <= 128


def test_a_trace_is_continued_with_a_span_of_ours() -> None:
    ours = context.new_traceparent(TRACE)
    assert ours[:35] == TRACE[:35]
    assert ours[36:52] != TRACE[36:52]
    assert context.TRACEPARENT_PATTERN.fullmatch(ours)


@pytest.mark.parametrize("bad", [None, "", "nonsense", TRACE.upper(), TRACE.replace("ab", "00"), TRACE.replace("cd", "00"), TRACE + "x", "01" + TRACE[2:]])
def test_a_malformed_trace_is_replaced(bad: str | None) -> None:
    assert context.TRACEPARENT_PATTERN.fullmatch(context.new_traceparent(bad))
    assert context.new_traceparent(bad)[3:35] != "ab" * 16


def test_ids_are_bound_for_a_block_and_released_after_it() -> None:
    with context.bound("outer", TRACE):
        assert context.current_request_id() == "outer"
        with context.bound("inner"):
            assert context.current_request_id() == "inner"
        assert context.current_request_id() == "outer"
        assert context.current_traceparent()[3:35] == "ab" * 16
    assert context.current_request_id() not in {"outer", "inner"}
