"""The short-lived token with which a service says who it is."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

AUDIENCE = "entitlements"
VALID_SECONDS = 60
"""The longest that is accepted."""
USED_SECONDS = 30


class TokenMint:
    """Makes a token of one service, and gives it out again for half a minute."""

    def __init__(self, issuer: str, signing_key: str | Mapping[str, Any]) -> None:
        """``signing_key``: the private Ed25519 key as a JWK (text or mapping) or PEM. Raises ValueError."""
        self._issuer, self._key = issuer, private_key(signing_key)
        self._token, self._made = "", 0.0

    def token(self) -> str:
        # By the wall clock, as the token itself: after a suspension it is too old.
        now = time.time()
        if not self._token or not 0 <= now - self._made < USED_SECONDS:
            self._token, self._made = self._sign(int(now)), now
        return self._token

    def _sign(self, now: int) -> str:
        header = {"alg": "EdDSA", "kid": self._issuer}
        claims = {
            "iss": self._issuer, "sub": self._issuer, "aud": AUDIENCE, "iat": now, "exp": now + VALID_SECONDS
        }  # fmt: skip
        signed = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
        return f"{signed}.{_encoded(self._key.sign(signed.encode()))}"


def private_key(text: str | Mapping[str, Any]) -> Ed25519PrivateKey:
    """Raises ValueError, whose message does not show the key."""
    try:
        if isinstance(text, str) and text.lstrip().startswith("-----BEGIN"):
            key = load_pem_private_key(text.encode(), password=None)
            if isinstance(key, Ed25519PrivateKey):
                return key
        else:
            jwk = json.loads(text) if isinstance(text, str) else text
            if (jwk["kty"], jwk["crv"]) == ("OKP", "Ed25519"):
                return Ed25519PrivateKey.from_private_bytes(urlsafe_b64decode(jwk["d"] + "=="))
    except (ValueError, LookupError, TypeError):
        pass
    raise ValueError("The signing key has to be a private Ed25519 key, as a JWK or PEM.")


def _encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()
