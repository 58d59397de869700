"""Encrypted session tokens: exactly the two kinds that next-auth v4 and Auth.js v5 make, and no others.

Sources: next-auth 4.24 ``jwt/index.ts``, @auth/core 0.41 ``jwt.ts``; RFC 7516 compact serialization.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from account_gateway.session.cookies import AUTH_JS_V5, MAX_TOKEN_LENGTH
from atlas_contracts.user_id import is_user_id

CLOCK_TOLERANCE_SECONDS = 15
"""How far two machines' clocks may differ; both libraries allow as much."""
MAX_HEADER_LENGTH = 1024
V4_ENCRYPTION, V5_ENCRYPTION = "A256GCM", "A256CBC-HS512"
_V4_KEY_BYTES, _V5_KEY_BYTES = 32, 64


@dataclass(frozen=True, slots=True)
class TokenSession:
    """A verified token: its user, and when it expires (seconds since 1970, tolerance included)."""

    user_id: str
    valid_until: float


@dataclass(frozen=True, slots=True)
class TokenKind:
    """What one cookie may hold: one content encryption and the keys for it, newest first."""

    encryption: str
    keys: tuple[OctKey, ...]


def v4_key(secret: str) -> OctKey:
    return _derived(secret, b"", b"NextAuth.js Generated Encryption Key", _V4_KEY_BYTES)


def v5_key(secret: str, cookie_name: str) -> OctKey:
    """v5 binds the key to the cookie's name: a token is worthless under another one."""
    salt = cookie_name.encode()
    return _derived(secret, salt, b"Auth.js Generated Encryption Key (" + salt + b")", _V5_KEY_BYTES)


def token_kind(cookie_name: str, secrets: tuple[str, ...]) -> TokenKind:
    """The only kind of token that is accepted in a cookie of this name."""
    if cookie_name.endswith(AUTH_JS_V5):
        return TokenKind(V5_ENCRYPTION, tuple(v5_key(secret, cookie_name) for secret in secrets))
    return TokenKind(V4_ENCRYPTION, tuple(v4_key(secret) for secret in secrets))


def read_token(token: str, kind: TokenKind, clock: Callable[[], float] = time.time) -> TokenSession | None:
    """The session in an encrypted token, None for anything that is not a live session of this kind."""
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii() or not _header_allowed(token, kind.encryption):
        return None
    for key in kind.keys:
        plaintext = _decrypted(token, key, kind.encryption)
        if plaintext is not None:
            return _session(plaintext, clock())
    return None


def encryption_of(token: str) -> str | None:
    """The content encryption that a token's header names."""
    encryption = _header(token).get("enc")
    return encryption if isinstance(encryption, str) else None


def _derived(secret: str, salt: bytes, info: bytes, length: int) -> OctKey:
    key = HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret.encode())
    return OctKey.import_key(key)


def _header(token: str) -> dict[str, Any]:
    encoded = token.partition(".")[0]
    if not 0 < len(encoded) <= MAX_HEADER_LENGTH:
        return {}
    try:
        header = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def _header_allowed(token: str, encryption: str) -> bool:
    """Whether the header says direct encryption, this content encryption, and nothing further (zip, crit, jwk …)."""
    header = _header(token)
    return header.get("alg") == "dir" and header.get("enc") == encryption and header.keys() <= {"alg", "enc", "kid"}


def _decrypted(token: str, key: OctKey, encryption: str) -> bytes | None:
    try:
        return jwe.decrypt_compact(token, key, algorithms=["dir", encryption]).plaintext
    except (JoseError, ValueError, KeyError, TypeError):
        return None


def _session(plaintext: bytes, now: float) -> TokenSession | None:
    try:
        claims = json.loads(plaintext)
    except (ValueError, RecursionError):
        return None
    if not isinstance(claims, dict):
        return None
    user_id, expires, not_before = claims.get("sub"), claims.get("exp"), claims.get("nbf", 0)
    if not is_user_id(user_id) or not _is_number(expires) or not _is_number(not_before):
        return None  # next-auth's state cookie has no sub; a token that never expires is no session of the web app's
    if expires + CLOCK_TOLERANCE_SECONDS <= now or not_before - CLOCK_TOLERANCE_SECONDS > now:
        return None
    return TokenSession(user_id, expires + CLOCK_TOLERANCE_SECONDS)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
