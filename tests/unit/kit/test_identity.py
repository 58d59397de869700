"""Internal tokens, and those that must not pass."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from atlas_kit.http.errors import Unauthorized
from atlas_kit.http.identity import CLOCK_SLACK_SECONDS, TOKEN_SECONDS, Caller, TokenMint, TokenVerifier
from support.identity import STRANGER, TRUSTED, claims, key_of, key_set, mint, signed, verifier

GATEWAY = "account-gateway"
KEY = key_of(GATEWAY)
NOW = int(time.time())


def token(key: dict[str, str] = KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
    return signed(claims(GATEWAY, "checkout", "user_1", **changes), key, header)


def bytes_of(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def by_hand(header: Any, body: Any, signature: bytes = b"") -> str:
    """A token that no library makes."""
    return ".".join((bytes_of(json.dumps(header).encode()), bytes_of(json.dumps(body).encode()), bytes_of(signature)))


def test_a_token_names_its_caller() -> None:
    assert verifier("checkout").verify(f"Bearer {mint(GATEWAY).token('checkout', 'user_1')}") == Caller(GATEWAY, "user_1")
    assert verifier("checkout").verify(f"bearer {token()}") == Caller(GATEWAY, "user_1")


def test_a_token_is_reused_for_half_of_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = TokenMint(SecretStr(json.dumps(KEY)), GATEWAY)
    first = ours.token("b", "u")
    assert ours.token("b", "u") == first
    assert ours.token("b", "v") != first
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + TOKEN_SECONDS / 2 + 1)
    assert ours.token("b", "u") != first


def test_a_token_that_was_made_while_the_clock_was_ahead_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, real = TokenMint(SecretStr(json.dumps(KEY)), GATEWAY), time.time
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time", lambda: real() + 3600)
        ours.token("checkout", "u")
    assert verifier("checkout").verify(f"Bearer {ours.token('checkout', 'u')}") == Caller(GATEWAY, "u")


def test_a_token_that_was_verified_while_the_clock_was_ahead_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, real = verifier("checkout"), time.time
    now = int(time.time())
    early = f"Bearer {token(iat=now + 3600, exp=now + 3660)}"
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time", lambda: real() + 3601)
        assert ours.verify(early) == Caller(GATEWAY, "user_1")
    with pytest.raises(Unauthorized):
        ours.verify(early)


REFUSED = {
    "no header": None,
    "empty": "",
    "the scheme alone": "Bearer",
    "nothing after it": "Bearer ",
    "another scheme": "Basic dXNlcjpwdw==",
    "no JWT": "Bearer nonsense",
    "three parts of nothing": "Bearer a.b.c",
    "no ASCII": "Bearer é.é.é",
    "without end": "Bearer " + "x" * 100_000,
    "unsigned": f"Bearer {by_hand({'alg': 'none', 'kid': GATEWAY}, claims(GATEWAY, 'checkout', 'u'))}",
    "signed by the public key": f"Bearer {token(header={'alg': 'HS256'})}",
    "by the algorithm's newer name": f"Bearer {token(header={'alg': 'Ed25519'})}",
    "no algorithm": f"Bearer {by_hand({'kid': GATEWAY}, claims(GATEWAY, 'checkout', 'u'))}",
    "an algorithm that is a number": f"Bearer {by_hand({'alg': 1, 'kid': GATEWAY}, claims(GATEWAY, 'checkout', 'u'))}",
    "a kid that is a list": f"Bearer {by_hand({'alg': 'EdDSA', 'kid': [GATEWAY]}, claims(GATEWAY, 'checkout', 'u'))}",
    "a header that is a list": f"Bearer {by_hand([], claims(GATEWAY, 'checkout', 'u'))}",
    "a header without end": f"Bearer {bytes_of(b'[' * 3000)}.e30.e30",
    "a critical header": f"Bearer {by_hand({'alg': 'EdDSA', 'kid': GATEWAY, 'crit': ['x'], 'x': 1}, claims(GATEWAY, 'checkout', 'u'))}",
    "claims that are a list": f"Bearer {by_hand({'alg': 'EdDSA', 'kid': GATEWAY}, [])}",
    "no kid": f"Bearer {token(header={'kid': ...})}",
    "nobody's kid": f"Bearer {token(key_of('unheard-of'), iss='unheard-of')}",
    "a key of the same name that nobody trusts": f"Bearer {token(key_of(GATEWAY, 1))}",
    "another's name under its own key": f"Bearer {token(key_of('checkout'), iss=GATEWAY)}",
    "another's kid over its own key": f"Bearer {token(key_of('checkout'), header={'kid': GATEWAY})}",
    "its own kid with another's name": f"Bearer {token(iss='operator')}",
    "another audience": f"Bearer {token(aud='entitlements')}",
    "a list of audiences": f"Bearer {token(aud=['checkout'])}",
    "no audience": f"Bearer {token(aud=...)}",
    "no issuer": f"Bearer {token(iss=...)}",
    "no subject": f"Bearer {token(sub=...)}",
    "an empty subject": f"Bearer {token(sub='')}",
    "a number as subject": f"Bearer {token(sub=7)}",
    "no end": f"Bearer {token(exp=...)}",
    "no beginning": f"Bearer {token(iat=...)}",
    "text as end": f"Bearer {token(exp='tomorrow')}",
    "true as beginning": f"Bearer {token(iat=True)}",
    "an infinite end": f"Bearer {token(exp=float('inf'))}",
    "no number as end": f"Bearer {token(exp=float('nan'))}",
    "an end beyond all numbers": f"Bearer {token(exp=10**400)}",
    "expired": f"Bearer {token(iat=NOW - 120, exp=NOW - 60)}",
    "expired a second ago": f"Bearer {token(iat=NOW - 61, exp=NOW - 1)}",
    "ends before it begins": f"Bearer {token(iat=NOW + 2, exp=NOW + 2)}",
    "a life of 61 seconds": f"Bearer {token(iat=NOW - 1, exp=NOW + 60)}",
    "a life of an hour": f"Bearer {token(exp=NOW + 3600)}",
    "of the future": f"Bearer {token(iat=NOW + 3600, exp=NOW + 3660)}",
    "not valid yet": f"Bearer {token(nbf=NOW + 3600)}",
    "cut short": f"Bearer {token()[:-2]}",
    "another signature": f"Bearer {token()[:-4]}AAAA",
    "more behind it": f"Bearer {token()} x",
}


@pytest.mark.parametrize("what", REFUSED)
def test_anything_else_is_nobody(what: str) -> None:
    with pytest.raises(Unauthorized):
        verifier("checkout").verify(REFUSED[what])


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=80))
def test_no_bytes_are_more_than_refused(header: bytes, body: bytes, signature: bytes) -> None:
    ours = verifier("checkout")
    for text in (f"{bytes_of(header)}.{bytes_of(body)}.{bytes_of(signature)}", header.decode("latin-1")):
        with pytest.raises(Unauthorized):
            ours.verify(f"Bearer {text}")


@given(st.dictionaries(st.sampled_from(["iss", "aud", "sub", "iat", "exp", "nbf", "x"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=2), max_leaves=3,
)))  # fmt: skip
def test_no_signed_claims_but_good_ones_are_somebody(odd: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        verifier("checkout").verify(f"Bearer {signed({'aud': 'checkout'} | odd, KEY)}")


def test_a_clock_may_be_ahead_by_the_slack_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    now = float(NOW)
    monkeypatch.setattr(time, "time", lambda: now)
    ahead = NOW + CLOCK_SLACK_SECONDS
    assert verifier("checkout").verify(f"Bearer {token(iat=ahead, exp=ahead + TOKEN_SECONDS)}").subject == "user_1"
    with pytest.raises(Unauthorized):
        verifier("checkout").verify(f"Bearer {token(iat=ahead + 1, exp=ahead + 1 + TOKEN_SECONDS)}")


def test_a_verified_token_is_forgotten_when_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = verifier("checkout")
    header = f"Bearer {token()}"
    ours.verify(header)
    assert ours.verify(header).subject == "user_1"
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + TOKEN_SECONDS + 1)
    with pytest.raises(Unauthorized):
        ours.verify(header)


def test_a_token_for_one_service_is_none_for_another() -> None:
    header = f"Bearer {mint(GATEWAY).token('checkout', 'user_1')}"
    verifier("checkout").verify(header)
    with pytest.raises(Unauthorized):
        verifier("entitlements").verify(header)


def test_two_keys_of_one_issuer_are_both_tried_in_either_order() -> None:
    old, new = key_of(GATEWAY), key_of(GATEWAY, 1)
    for trusted in (key_set(old, new), key_set(new, old)):
        ours = TokenVerifier(trusted, "checkout")
        for key in (old, new):
            assert ours.verify(f"Bearer {token(key)}") == Caller(GATEWAY, "user_1")
        with pytest.raises(Unauthorized):
            ours.verify(f"Bearer {token(key_of(GATEWAY, 2))}")
    with pytest.raises(Unauthorized):
        TokenVerifier(key_set(new), "checkout").verify(f"Bearer {token(old)}")


def test_a_trusted_key_without_a_row_is_a_caller_all_the_same() -> None:
    """Who it is, is one question; what it may call is the doors'."""
    assert TokenVerifier(TRUSTED, "checkout").verify(f"Bearer {mint(STRANGER).token('checkout', 'u')}").issuer == STRANGER
