"""Reading fields off an object that nobody vouches for."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_stripe import objects as read
from atlas_stripe.objects import Unmappable

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def flag_or_false(obj, field) -> bool:
    return read.flag(obj, field, absent=False)


READERS = [
    read.text,
    read.optional_text,
    read.reference,
    read.expanded,
    read.amount,
    read.optional_amount,
    flag_or_false,
    read.moment,
]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@given(value=ANYTHING)
def test_whatever_stands_there_is_read_or_refused(reader, value) -> None:
    try:
        reader({"field": value}, "field")
    except Unmappable as refused:
        assert refused.reason == "malformed_object"


@given(value=ANYTHING)
def test_currency_and_metadata_are_read_or_refused(value) -> None:
    for obj, reader in (
        ({"currency": value}, read.currency),
        ({"metadata": value}, lambda o: read.metadata(o, "userId")),
    ):
        with contextlib.suppress(Unmappable):
            reader(obj)


def test_blank_text_is_no_text() -> None:
    assert read.optional_text({"a": "  "}, "a") is None
    assert read.optional_text({}, "a") is None
    with pytest.raises(Unmappable):
        read.text({"a": " "}, "a")


@pytest.mark.parametrize("bad", ["a\0b", "a\nb", "a\x7f", "\ud800", "x" * 256, 1, True, []])
def test_text_that_no_database_takes_is_refused(bad) -> None:
    with pytest.raises(Unmappable):
        read.optional_text({"a": bad}, "a")


def test_true_is_no_amount_and_no_time() -> None:
    for reader in (read.amount, read.moment):
        with pytest.raises(Unmappable):
            reader({"a": True}, "a")


def test_a_time_is_utc() -> None:
    assert read.moment({"created": 1_790_000_000}, "created") == datetime.fromtimestamp(1_790_000_000, UTC)
