"""Keys of all who may ask inside, for tests: made of their names, so that every process of a test has the same."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from functools import cache
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey
from joserfc.jws import JWSRegistry
from pydantic import SecretStr

from atlas_contracts.callers import ISSUERS
from atlas_kit.http.identity import _REGISTRY, TokenMint, TokenVerifier
from atlas_kit.process.keys import public_half

READERS = ("atlas-reader", "another-reader")
STRANGER = "somebody-else"
"""Trusted, and in no row of the table."""
SIGNERS = (*sorted(ISSUERS), *READERS, STRANGER)


@cache
def key_of(name: str, generation: int = 0) -> dict[str, str]:
    """The private key of ``name``, as a JWK; another ``generation`` is another key."""
    seed = hashlib.sha256(f"a key of {name} for tests, {generation}".encode()).digest()
    raw = base64.urlsafe_b64encode(seed).rstrip(b"=").decode()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    point = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return {"kty": "OKP", "crv": "Ed25519", "d": raw, "x": base64.urlsafe_b64encode(point).rstrip(b"=").decode(), "kid": name}


def key_set(*keys: dict[str, str]) -> str:
    """``INTERNAL_TRUSTED_KEYS`` that trusts these private keys' public halves."""
    return json.dumps({"keys": [public_half(key) for key in keys]})


TRUSTED = key_set(*map(key_of, SIGNERS))
ANY_KEY = json.dumps({name: value for name, value in key_of("whoever").items() if name != "kid"})
"""A key that doesn't say whose it is: any service takes it for its own."""


def identity_of(service: str) -> dict[str, str]:
    """The environment variables by which a service of a test is known to the others, and knows them."""
    return {"INTERNAL_SIGNING_KEY": json.dumps(key_of(service)), "INTERNAL_TRUSTED_KEYS": TRUSTED}


@cache
def mint(issuer: str) -> TokenMint:
    return TokenMint(SecretStr(json.dumps(key_of(issuer))), issuer)


def token(issuer: str, audience: str, subject: str) -> str:
    return mint(issuer).token(audience, subject)


def verifier(audience: str) -> TokenVerifier:
    return TokenVerifier(TRUSTED, audience)


def signed(claims: dict[str, Any], key: dict[str, str], header: dict[str, Any] | None = None) -> str:
    """Any claims under any header, signed by any key: what our own mint would never make. ``...`` leaves a claim out."""
    whole = {"alg": "EdDSA", "kid": key["kid"]} | (header or {})
    whole = {name: value for name, value in whole.items() if value is not ...}
    kept = {name: value for name, value in claims.items() if value is not ...}
    if whole.get("alg") == "EdDSA":
        return jwt.encode(whole, kept, OKPKey.import_key(dict(key)), registry=_REGISTRY)
    registry = JWSRegistry(algorithms=[whole["alg"]])
    other = OctKey.import_key(key["x"] * 2) if whole["alg"].startswith("HS") else OKPKey.import_key(dict(key))
    return jwt.encode(whole, kept, other, registry=registry)


def claims(issuer: str, audience: str, subject: str, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": issuer, "aud": audience, "sub": subject, "iat": now, "exp": now + 60} | changes


def operator_key(home: Path) -> SecretStr:
    """What signs an operator's calls to the stack in ``home``."""
    return SecretStr(json.dumps(json.loads((home / "run" / "operator.json").read_text())["signing_key"]))


def mint_of_stack(home: Path, issuer: str) -> TokenMint:
    """As whoever has broken into ``issuer`` of the stack in ``home``."""
    return TokenMint(SecretStr((home / "keys" / f"{issuer}.json").read_text()), issuer)
