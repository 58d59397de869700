"""The internal token: which service calls which, and for which user.

A short-lived JWT (HS256): issuer (the calling service), audience (the called service), subject (the user). On internal
routes the user is taken from this token only.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from pydantic import SecretStr

from atlas_contracts.user_id import is_user_id
from atlas_kit.http.errors import Unauthorized

TOKEN_SECONDS = 60
LEEWAY_SECONDS = 5
_ALGORITHMS = ["HS256"]
_CACHED_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller. ``subject`` is the user id, or ``operator``."""

    issuer: str
    subject: str


class TokenMint:
    """Makes tokens for one issuer. Each is reused for half of its lifetime, because signing takes long."""

    def __init__(self, secret: SecretStr, issuer: str) -> None:
        self._key = OctKey.import_key(secret.get_secret_value())
        self._issuer = issuer
        self._cache: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()

    def token(self, audience: str, subject: str) -> str:
        """A token for ``subject`` that ``audience`` accepts for at least 30 more seconds."""
        now = time.time()
        cached = self._cache.get((audience, subject))
        if cached and cached[1] > now:
            return cached[0]
        claims = {
            "iss": self._issuer,
            "aud": audience,
            "sub": subject,
            "iat": int(now),
            "exp": int(now) + TOKEN_SECONDS,
        }
        token = jwt.encode({"alg": "HS256"}, claims, self._key, algorithms=_ALGORITHMS)
        self._cache[audience, subject] = (token, now + TOKEN_SECONDS / 2)
        if len(self._cache) > _CACHED_TOKENS:
            self._cache.popitem(last=False)
        return token


class TokenVerifier:
    """Verifies tokens for one audience. Valid tokens are remembered until they expire, to verify each only once."""

    def __init__(self, secret: SecretStr, audience: str) -> None:
        self._key = OctKey.import_key(secret.get_secret_value())
        self.audience = audience
        self._cache: OrderedDict[str, tuple[Caller, int]] = OrderedDict()

    def verify(self, authorization: str | None) -> Caller:
        """The caller named by an ``Authorization: Bearer`` header. Raises Unauthorized for anything else."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized
        known = self._cache.get(token)
        if known and known[1] > time.time():
            return known[0]
        caller, expires = self._decode(token)
        self._cache[token] = (caller, expires)
        if len(self._cache) > _CACHED_TOKENS:
            self._cache.popitem(last=False)
        return caller

    def _decode(self, token: str) -> tuple[Caller, int]:
        try:
            claims = jwt.decode(token, self._key, algorithms=_ALGORITHMS).claims
        except (JoseError, ValueError) as error:
            raise Unauthorized from error
        issuer, subject, expires = claims.get("iss"), claims.get("sub"), claims.get("exp")
        if not isinstance(issuer, str) or not is_user_id(subject) or not isinstance(expires, int):
            raise Unauthorized
        if claims.get("aud") != self.audience or expires + LEEWAY_SECONDS <= time.time():
            raise Unauthorized
        return Caller(issuer, subject), expires
