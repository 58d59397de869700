"""The token with which the sandbox asks the product who is Pro: short-lived, in the sandbox's own name, EdDSA.

A module of its own because joserfc takes 4 MB, and is needed only when the control room is looked at.
"""

from __future__ import annotations

import json
import time

from joserfc import jwt
from joserfc.jwa import EdDSAAlgorithm
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

AUDIENCE = "entitlements"
TOKEN_SECONDS = 60


class _EdDSA(EdDSAAlgorithm):
    security_warning = None  # type: ignore[assignment]  # of the name alone; the product asks for it


class _Registry(JWSRegistry):
    algorithms = {"EdDSA": _EdDSA()}  # noqa: RUF012 - joserfc's own declaration


def reader_token(signing_key: str) -> str:
    """A token of the service that ``signing_key`` (a private Ed25519 JWK) names in its ``kid``."""
    key = json.loads(signing_key)
    now, name = int(time.time()), key["kid"]
    claims = {"iss": name, "aud": AUDIENCE, "sub": name, "iat": now, "exp": now + TOKEN_SECONDS}
    registry = _Registry(algorithms=["EdDSA"])
    return jwt.encode({"alg": "EdDSA", "kid": name}, claims, OKPKey.import_key(key), registry=registry)
