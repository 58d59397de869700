"""The internal token: which service calls which, and for which user.

A short-lived JWT, signed with the calling service's own Ed25519 key: issuer (the calling service), audience (the called
service), subject (the user, or the caller itself). On internal routes the user is taken from this token only.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwa import EdDSAAlgorithm
from joserfc.jws import CompactSignature, JWSRegistry
from pydantic import SecretStr

from atlas_contracts.user_id import is_user_id
from atlas_kit.http.errors import Unauthorized
from atlas_kit.process.keys import read_signing_key, read_trusted_keys

ALGORITHM = "EdDSA"
TOKEN_SECONDS = 60
CLOCK_SLACK_SECONDS = 2
"""How far ahead the clock of whoever signs may be."""
MAX_TOKEN_CHARACTERS = 8192
"""A user id of 255 characters, each written as two escapes, makes 4,400."""
_CACHED_TOKENS = 10_000
_LATEST = 10**11
"""Seconds since the epoch; beyond the year 5000 nothing is a time."""


class _EdDSA(EdDSAAlgorithm):
    """joserfc warns of this name since RFC 9864 gave Ed25519 one of its own. The contract says EdDSA, and both ends are
    ours: the key's curve is checked when it is read, so that the name leaves nothing open.
    """

    security_warning = None  # type: ignore[assignment]  # joserfc declares a text; None is how it says "no warning"


class _Registry(JWSRegistry):
    algorithms = {ALGORITHM: _EdDSA()}  # noqa: RUF012 - joserfc's own declaration


_REGISTRY = _Registry(algorithms=[ALGORITHM])


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller. ``subject`` is the user id, ``operator``, or the name of a service that asks for itself."""

    issuer: str
    subject: str


class TokenMint:
    """Makes tokens for one issuer. Each is reused for half of its lifetime, because signing takes long."""

    def __init__(self, signing_key: SecretStr, issuer: str) -> None:
        self._key = read_signing_key(signing_key.get_secret_value())
        self._issuer = issuer
        self._header = {"alg": ALGORITHM, "kid": issuer}
        self._cache: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()

    def token(self, audience: str, subject: str) -> str:
        """A token for ``subject`` that ``audience`` accepts for at least 30 more seconds."""
        now = time.time()
        cached = self._cache.get((audience, subject))
        if cached and 0 <= now - cached[1] < TOKEN_SECONDS / 2:  # below 0: made while the clock was ahead
            return cached[0]
        claims = {
            "iss": self._issuer,
            "aud": audience,
            "sub": subject,
            "iat": int(now),
            "exp": int(now) + TOKEN_SECONDS,
        }
        token = jwt.encode(self._header, claims, self._key, registry=_REGISTRY)
        self._cache[audience, subject] = (token, now)
        if len(self._cache) > _CACHED_TOKENS:
            self._cache.popitem(last=False)
        return token


class TokenVerifier:
    """Verifies tokens for one audience. Valid tokens are remembered (as digests) until they expire, because verifying
    takes long (docs/decisions/0014).
    """

    def __init__(self, trusted_keys: str, audience: str) -> None:
        self._trusted = read_trusted_keys(trusted_keys)
        self.audience = audience
        self._cache: OrderedDict[bytes, tuple[Caller, float, float]] = OrderedDict()

    def verify(self, authorization: str | None) -> Caller:
        """The caller named by an ``Authorization: Bearer`` header. Raises Unauthorized for anything else."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= MAX_TOKEN_CHARACTERS or not token.isascii():
            raise Unauthorized
        digest = hashlib.sha256(token.encode()).digest()
        known = self._cache.get(digest)
        if known and _in_time(known[1], known[2]):
            return known[0]
        caller, issued, expires = self._decode(token)
        self._cache[digest] = (caller, issued, expires)
        if len(self._cache) > _CACHED_TOKENS:
            self._cache.popitem(last=False)
        return caller

    def _decode(self, token: str) -> tuple[Caller, float, float]:
        try:
            signed = jws.extract_compact(token.encode(), registry=_REGISTRY)
            issuer = self._signer(signed)
            claims = json.loads(signed.payload or b"")
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Unauthorized from error
        if not isinstance(claims, dict):
            raise Unauthorized
        return self._caller(issuer, claims)

    def _signer(self, signed: CompactSignature) -> str:
        """Whose key signed it: that of the header's ``kid``. A rotation has two of them, so each is tried."""
        issuer = signed.headers()["kid"]
        keys = self._trusted.get(issuer, ()) if isinstance(issuer, str) else ()
        if not any(jws.validate_compact(signed, key, registry=_REGISTRY) for key in keys):
            raise Unauthorized
        return str(issuer)

    def _caller(self, issuer: str, claims: dict[str, Any]) -> tuple[Caller, float, float]:
        subject = claims.get("sub")
        if claims.get("iss") != issuer or claims.get("aud") != self.audience or not is_user_id(subject):
            raise Unauthorized
        issued, expires = _moment(claims.get("iat")), _moment(claims.get("exp"))
        begins = max(issued, _moment(claims["nbf"])) if "nbf" in claims else issued
        if not issued < expires <= issued + TOKEN_SECONDS or not _in_time(begins, expires):
            raise Unauthorized
        return Caller(issuer, subject), begins, expires


def _in_time(begins: float, expires: float) -> bool:
    """Whether a token of these times is valid now, by this machine's clock, which may have been set back."""
    return begins - CLOCK_SLACK_SECONDS <= time.time() < expires


def _moment(claim: object) -> float:
    """Seconds since the epoch. Raises Unauthorized for what is no such number."""
    if isinstance(claim, bool) or not isinstance(claim, int | float) or not 0 < claim < _LATEST:
        raise Unauthorized
    return float(claim)
