"""The keys by which services know each other: one Ed25519 pair per service, as JSON Web Keys (RFC 8037).

A service signs with its own private key and holds the public halves of all others, so that whoever breaks into one
service can speak as that one alone. A key's ``kid`` is the name of the service that signs with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

CURVE: Final = "Ed25519"
KEYS_PER_ISSUER = 2
"""The one in use, and during a rotation the one before or after it."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a service may be called: letters, digits, dot, hyphen and underscore, 64 characters at most."""

TrustedKeys = Mapping[str, tuple[OKPKey, ...]]
"""Public keys by the name of the service that signs with them."""


def new_key(name: str) -> dict[str, str]:
    """A private key of ``name``, as a JWK."""
    return _as_jwk(OKPKey.generate_key(CURVE, {"kid": name}), private=True)


def public_half(private: Mapping[str, Any]) -> dict[str, str]:
    """What others need to verify what ``private`` (a JWK) signs; nothing secret is in it."""
    return {name: str(private[name]) for name in ("kty", "crv", "x", "kid")}


def read_signing_key(text: str) -> OKPKey:
    """The private key in ``text``: a JWK, or PEM (line breaks may be written as backslash and n).

    Raises ValueError that says what is wrong and shows nothing of the text.
    """
    try:
        if text.startswith("-----BEGIN"):
            key = OKPKey.import_key(text.replace("\\n", "\n").encode())
        else:
            key = _imported(json.loads(text))
        jwk = _as_jwk(key, private=True)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError(f"must be a private {CURVE} key, as JWK or PEM; make one: ./atlas keys make NAME") from None
    if "d" not in jwk or jwk["crv"] != CURVE:
        raise ValueError(f"must be a private {CURVE} key, as JWK or PEM; make one: ./atlas keys make NAME")
    return key


def read_trusted_keys(text: str) -> dict[str, tuple[OKPKey, ...]]:
    """The public keys in ``text``: a JWK set, or several sets and single keys one after another.

    Raises ValueError that says what is wrong, for what isn't public keys of services: a private key among them, a key
    without a name, more than two of one name, one key under two names (its holder could speak as both).
    """
    found: dict[str, dict[str, OKPKey]] = {}
    names: dict[str, str] = {}
    for jwk in _public_keys(text):
        name = jwk.get("kid")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ValueError("each key must have a kid: the name of the service that signs with it")
        if "d" in jwk:
            raise ValueError(f"holds the private key of {name}: only public halves belong here, make that one anew")
        try:
            key = _imported(jwk)
            point = _as_jwk(key)["x"]
        except (JoseError, ValueError, TypeError, KeyError):
            raise ValueError(f"the key of {name} is no public {CURVE} key") from None
        if names.setdefault(point, name) != name:
            raise ValueError(f"{names[point]} and {name} have the same key: each needs one of its own")
        found.setdefault(name, {})[point] = key
    for name, keys in found.items():
        if len(keys) > KEYS_PER_ISSUER:
            raise ValueError(f"has {len(keys)} keys of {name}, at most {KEYS_PER_ISSUER} may be trusted at a time")
    return {name: tuple(keys.values()) for name, keys in found.items()}


def _public_keys(text: str) -> Iterator[Mapping[str, Any]]:
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        try:
            document, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            raise ValueError('must be a JWK set: {"keys": [public keys]}') from None
        rest = rest[end:].lstrip()
        keys = document.get("keys", [document]) if isinstance(document, dict) else None
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
            raise ValueError('must be a JWK set: {"keys": [public keys]}')
        yield from keys


def _imported(jwk: Mapping[str, Any]) -> OKPKey:
    """Of the members only those that make the key: what else a JWK says (``use``, ``alg``) doesn't limit ours."""
    if jwk["kty"] != "OKP" or jwk["crv"] != CURVE:
        raise ValueError("another kind of key")
    kept = {name: jwk[name] for name in ("kty", "crv", "x", "d", "kid") if name in jwk}
    if not all(isinstance(value, str) for value in kept.values()):
        raise TypeError("members of such a key are text")
    return OKPKey.import_key(kept)


def _as_jwk(key: OKPKey, *, private: bool = False) -> dict[str, str]:
    return {name: str(value) for name, value in key.as_dict(private=private).items()}
