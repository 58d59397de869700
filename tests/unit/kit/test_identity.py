"""Internal tokens, and those that must not pass."""

from __future__ import annotations

import base64
import json
import time

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import SecretStr

from atlas_kit.http.errors import Unauthorized
from atlas_kit.http.identity import LEEWAY_SECONDS, TOKEN_SECONDS, Caller, TokenMint, TokenVerifier

SECRET = SecretStr("an internal secret that is long enough")
MINT = TokenMint(SECRET, "account-gateway")


def verifier(audience: str = "checkout") -> TokenVerifier:
    return TokenVerifier(SECRET, audience)


def token(algorithm: str = "HS256", secret: SecretStr = SECRET, **changes) -> str:
    now = int(time.time())
    claims = {"iss": "account-gateway", "aud": "checkout", "sub": "user_1", "iat": now, "exp": now + 60} | changes
    claims = {name: value for name, value in claims.items() if value is not ...}
    return jwt.encode({"alg": algorithm}, claims, OctKey.import_key(secret.get_secret_value()), algorithms=[algorithm])


def test_a_token_names_its_caller() -> None:
    assert verifier().verify(f"Bearer {MINT.token('checkout', 'user_1')}") == Caller("account-gateway", "user_1")
    assert verifier().verify(f"bearer {token()}") == Caller("account-gateway", "user_1")


def test_a_token_is_reused_for_half_of_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    mint = TokenMint(SECRET, "a")
    first = mint.token("b", "u")
    assert mint.token("b", "u") == first
    assert mint.token("b", "v") != first
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + TOKEN_SECONDS / 2 + 1)
    assert mint.token("b", "u") != first


def unsigned() -> str:
    def part(value: dict) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"iss": "x", "aud": "checkout", "sub": "u", "exp": int(time.time()) + 60}
    return f"{part({'alg': 'none'})}.{part(claims)}."


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwdw==",
        "Bearer nonsense",
        "Bearer a.b.c",
        "Bearer " + "x" * 100_000,
        f"Bearer {unsigned()}",
        f"Bearer {token(secret=SecretStr('another secret that is long enough!!'))}",
        f"Bearer {token(algorithm='HS384')}",
        f"Bearer {token(algorithm='HS512')}",
        f"Bearer {token(aud='entitlements')}",
        f"Bearer {token(aud=['checkout'])}",
        f"Bearer {token(aud=...)}",
        f"Bearer {token(iss=...)}",
        f"Bearer {token(sub=...)}",
        f"Bearer {token(sub='')}",
        f"Bearer {token(sub=7)}",
        f"Bearer {token(exp=...)}",
        f"Bearer {token(exp='tomorrow')}",
        f"Bearer {token(exp=int(time.time()) - 3600)}",
        f"Bearer {token()[:-2]}",
        f"Bearer {token()} x",
    ],
    ids=lambda header: str(header)[:30],
)
def test_anything_else_is_nobody(header: str | None) -> None:
    with pytest.raises(Unauthorized):
        verifier().verify(header)


def test_a_verified_token_is_forgotten_when_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = verifier()
    header = f"Bearer {token()}"
    ours.verify(header)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 60 + LEEWAY_SECONDS + 1)
    with pytest.raises(Unauthorized):
        ours.verify(header)


def test_a_token_for_one_service_is_none_for_another() -> None:
    header = f"Bearer {MINT.token('checkout', 'user_1')}"
    verifier().verify(header)
    with pytest.raises(Unauthorized):
        verifier("entitlements").verify(header)
