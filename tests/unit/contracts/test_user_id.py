"""One definition of a user id, and the borders that keep to it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from atlas_contracts.billing import Via
from atlas_contracts.internal_api import AdjustmentRequest, ForgetRequest
from atlas_contracts.user_id import UserId, is_user_id
from atlas_kit.http.errors import Unauthorized
from atlas_stripe.arrival import Arrival
from atlas_stripe.objects import Unmappable
from atlas_stripe.reads import session_read
from support.identity import mint, verifier
from support.stripe_events import session

ARRIVAL = Arrival(Via.RESTORE, datetime(2026, 11, 26, tzinfo=UTC), "sha256:00", signature_verified=False)
UNUSABLE = {
    "empty": "",
    "a space": " ",
    "a space behind": "mia ",
    "a space in front": " mia",
    "a line break behind": "mia\n",
    "a tab within": "mi\ta",
    "an escape within": "mi\x1b[31ma",
    "a C1 control within": "mi\x9ba",
    "U+0000": "mi\0a",
    "an ideographic space behind": "mia\u3000",
    "a no-break space in front": "\u00a0mia",
    "a zero-width space behind": "mia\u200b",
    "a zero-width joiner in front": "\u200dmia",
    "a word joiner behind": "mia\u2060",
    "a byte order mark in front": "\ufeffmia",
    "a soft hyphen behind": "mia\u00ad",
    "a right-to-left override within": "mi\u202ea",
    "an isolate behind": "mia\u2066",
    "a line separator within": "mi\u2028a",
    "a Hangul filler behind": "mia\u3164",
    "a half-width Hangul filler in front": "\uffa0mia",
    "a blank Braille pattern behind": "mia\u2800",
    "a variation selector behind": "mia\ufe0f",
    "a lone surrogate": "mi\ud800a",
    "256 characters": "m" * 256,
}
USABLE = ["m", "user_1", "clx0000000000", "Ada Lovelace", "ada@example.com", "アダ", "عبد", "😀", "m" * 255, "[/x]", "a/b?c"]
bad = pytest.mark.parametrize("value", UNUSABLE.values(), ids=UNUSABLE.keys())
good = pytest.mark.parametrize("value", USABLE)


@bad
def test_whatever_is_padded_or_invisible_is_nobody(value: str) -> None:
    assert not is_user_id(value)
    for model in (ForgetRequest, adjustment):
        with pytest.raises(ValidationError):
            model(user_id=value)


@pytest.mark.parametrize("value", [None, 1, True, b"mia", ["mia"], {"id": "mia"}])
def test_a_value_that_is_no_text_is_no_user_id(value: Any) -> None:
    assert not is_user_id(value)


@good
def test_a_user_id_is_taken_verbatim(value: str) -> None:
    assert is_user_id(value)
    assert TypeAdapter(UserId).validate_python(value) == value
    assert ForgetRequest(user_id=value).user_id == value
    assert adjustment(user_id=value).user_id == value


@bad
def test_a_token_in_the_name_of_nobody_is_refused(value: str) -> None:
    try:
        token = mint("account-gateway").token("checkout", value)
    except UnicodeEncodeError:  # a lone surrogate doesn't even get into a token
        return
    with pytest.raises(Unauthorized):
        verifier("checkout").verify(f"Bearer {token}")


@good
def test_metadata_names_the_user_verbatim(value: str) -> None:
    read = session_read(session(metadata={"userId": value}, client_reference_id=value), ARRIVAL.received_at, ARRIVAL)
    assert read.user_id == value


@bad
def test_metadata_that_names_nobody_is_parked_with_that_reason(value: str) -> None:
    with pytest.raises(Unmappable) as refused:
        session_read(session(metadata={"userId": value}), ARRIVAL.received_at, ARRIVAL)
    assert refused.value.reason == "unusable_user_id"
    assert "user id" in refused.value.detail


def test_metadata_whose_user_is_no_text_is_parked_too() -> None:
    with pytest.raises(Unmappable) as refused:
        session_read(session(metadata={"userId": 7}), ARRIVAL.received_at, ARRIVAL)
    assert refused.value.reason == "unusable_user_id"


@pytest.mark.parametrize("claimed", ["mia ", " mia", "Mia", " "])
def test_the_reference_is_compared_verbatim(claimed: str) -> None:
    with pytest.raises(Unmappable) as refused:
        session_read(
            session(metadata={"userId": "mia"}, client_reference_id=claimed), ARRIVAL.received_at, ARRIVAL
        )
    assert refused.value.reason == "contradicting_user"


def adjustment(user_id: str) -> AdjustmentRequest:
    return AdjustmentRequest(user_id=user_id, action="grant", reason="a test", idempotency_key=str(time.time()))
