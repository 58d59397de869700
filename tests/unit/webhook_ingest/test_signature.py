"""The verifier, beside the official SDK's: whatever ours accepts, the SDK accepts."""

from __future__ import annotations

import time

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_stripe.signature import MAX_HEADER_BYTES, MAX_SIGNATURES, InvalidSignature, SignatureVerifier
from support.stripe_events import signature, v1

SECRET, OLD = "whsec_new", "whsec_old"
TOLERANCE = 300
VERIFIER = SignatureVerifier((SECRET.encode(), OLD.encode()), TOLERANCE)
BODY = b'{"id": "evt_1"}'
NOW = 1_790_000_000


def reason(header: bytes | list[bytes], body: bytes = BODY, now: float = NOW) -> str | None:
    try:
        VERIFIER.verify([header] if isinstance(header, bytes) else header, body, now)
    except InvalidSignature as error:
        return error.reason
    return None


def signed(body: bytes = BODY, secret: str = SECRET, at: int = NOW) -> bytes:
    return signature(body, secret, at).encode()


def test_what_stripe_signed_holds() -> None:
    assert reason(signed()) is None
    assert reason(stripe.WebhookSignature.generate_signature_header(BODY.decode(), SECRET, NOW).encode()) is None


@pytest.mark.parametrize("secret", [SECRET, OLD])
def test_each_of_several_secrets_holds(secret: str) -> None:
    assert reason(signed(secret=secret)) is None


def test_one_good_signature_among_several_holds() -> None:
    wrong = ",".join(f"v1={n:064x}" for n in range(5))
    assert reason(f"t={NOW},{wrong},v1={v1(BODY, OLD, NOW)},v0=abc".encode()) is None


def test_another_secret_another_body_another_time_do_not_hold() -> None:
    assert reason(signed(secret="whsec_other")) == "mismatch"
    assert reason(signed(), BODY + b" ") == "mismatch"
    assert reason(signed().replace(str(NOW).encode(), str(NOW + 1).encode())) == "mismatch"


@pytest.mark.parametrize(
    ("age", "holds"), [(0, True), (TOLERANCE, True), (-TOLERANCE, True), (TOLERANCE + 1, False), (-TOLERANCE - 1, False)]
)
def test_the_tolerance_looks_both_ways(age: int, holds: bool) -> None:
    assert reason(signed(at=NOW - age)) == (None if holds else "outside_tolerance")


def test_a_day_in_the_future_is_refused_though_the_sdk_takes_it() -> None:
    future = int(time.time()) + 86_400
    assert stripe.WebhookSignature.verify_header(BODY.decode(), signed(at=future).decode(), SECRET, TOLERANCE)
    assert reason(signed(at=future), now=time.time()) == "outside_tolerance"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (b"", "missing"),
        (b"nonsense", "malformed"),
        (b"t=1", "malformed"),
        (b"v1=00", "malformed"),
        (b"t=,v1=00", "malformed"),
        (b"t=abc,v1=00", "malformed"),
        (b"t=-1,v1=00", "malformed"),
        (b"t=+1,v1=00", "malformed"),
        (b"t=01,v1=00", "malformed"),
        (b"t=1.5,v1=00", "malformed"),
        (b"t=1_0,v1=00", "malformed"),
        ("t=١,v1=00".encode(), "malformed"),
        (b"t=" + b"9" * 13 + b",v1=00", "malformed"),
        (b"t=1,t=2,v1=00", "malformed"),
        (b"T=1,V1=00", "malformed"),
        (b"t=1,v0=00", "malformed"),
        (b"t=1,v1=", "mismatch"),
        (b"t=1,v1=\xff\xfe", "mismatch"),
        (b"t=1,v1=00,=,,;", "mismatch"),
        (b"t=1," + b"v1=00," * (MAX_SIGNATURES + 1), "malformed"),
        (b"t=1,v1=" + b"0" * MAX_HEADER_BYTES, "too_long"),
    ],
)
def test_a_header_that_is_none_is_refused_with_a_reason(header: bytes, why: str) -> None:
    assert reason(header) == why


def test_no_header_and_two_headers_are_refused() -> None:
    assert reason([]) == "missing"
    assert reason([signed(), signed()]) == "duplicated"
    assert reason([b"", b""]) == "missing"


def test_ten_thousand_signatures_cost_no_more_than_one() -> None:
    header = f"t={NOW}," + ",".join(f"v1={n:064x}" for n in range(10_000)) + f",v1={v1(BODY, SECRET, NOW)}"
    started = time.perf_counter()
    for _ in range(100):
        assert reason(header.encode()) == "too_long"
    assert time.perf_counter() - started < 0.1


def test_a_body_that_is_no_text_is_verified_all_the_same() -> None:
    body = b"\xff\xfe\x00"
    assert reason(signed(body), body) is None


def test_the_error_tells_neither_payload_nor_header() -> None:
    with pytest.raises(InvalidSignature) as error:
        VERIFIER.verify([signed(secret="whsec_other")], BODY, NOW)
    assert str(error.value) == "Invalid webhook signature."
    assert (error.value.http_status, error.value.code, error.value.recovery) == (403, "forbidden", "none")


SOMETHING_LIKE_A_HEADER = st.lists(
    st.sampled_from([b"t=", b"v1=", b"v0=", b",", b"=", str(NOW).encode(), v1(BODY, SECRET, NOW).encode(), b" ", b"\xff", b"0", b"-"])
    | st.binary(max_size=6),
    max_size=12,
).map(b"".join)


@settings(max_examples=600)
@given(header=SOMETHING_LIKE_A_HEADER)
def test_whatever_the_header_it_is_accepted_only_where_the_sdk_accepts_it(header: bytes) -> None:
    if reason(header) is None:
        assert stripe.WebhookSignature.verify_header(BODY.decode(), header.decode("latin-1"), SECRET)


@settings(max_examples=300)
@given(header=st.binary(max_size=400), body=st.binary(max_size=200))
def test_random_headers_over_random_bodies_are_refused_quietly(header: bytes, body: bytes) -> None:
    assert reason(header, body) is not None


@settings(max_examples=300)
@given(body=st.binary(max_size=300), at=st.integers(1, 10**12 - 1), secret=st.sampled_from([SECRET, OLD]))
def test_a_right_signature_always_holds_and_a_flipped_bit_never(body: bytes, at: int, secret: str) -> None:
    header = signed(body, secret, at)
    assert reason(header, body, at) is None
    assert reason(header, body + b"\0", at) == "mismatch"
    if body:
        assert reason(header, bytes([body[0] ^ 1]) + body[1:], at) == "mismatch"
