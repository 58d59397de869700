"""Keys as they stand in settings: what is read, and what is refused in words that show nothing of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x25519

from atlas_kit.process.keys import new_key, public_half, read_signing_key, read_trusted_keys
from atlas_kit.process.settings import ConfigurationError, ReaderNames, ServiceSettings, load
from support.identity import ANY_KEY, TRUSTED, key_of, key_set

ONE, OTHER = key_of("checkout"), key_of("entitlements")


def pem_of(key: Any) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def test_a_made_key_is_private_and_named_and_its_public_half_is_neither_secret_nor_another() -> None:
    made = new_key("checkout")
    assert set(made) == {"kty", "crv", "x", "d", "kid"}
    assert public_half(made) == {name: value for name, value in made.items() if name != "d"}
    assert read_signing_key(json.dumps(made)).as_dict(private=True) == made
    assert new_key("checkout") != made


def test_pem_is_read_with_line_breaks_however_they_are_written() -> None:
    pem = pem_of(ed25519.Ed25519PrivateKey.generate())
    assert read_signing_key(pem).as_dict(private=True) == read_signing_key(pem.replace("\n", "\\n")).as_dict(private=True)


def test_what_else_a_jwk_says_does_not_limit_it() -> None:
    assert read_signing_key(json.dumps(ONE | {"use": "enc", "key_ops": ["verify"], "alg": "x"})).as_dict(private=True) == ONE


@pytest.mark.parametrize(
    "text",
    [
        "canary",
        "{}",
        "[]",
        "null",
        "[" * 100_000,
        json.dumps(public_half(ONE)),
        json.dumps(ONE | {"crv": "X25519"}),
        json.dumps(ONE | {"d": "canary"}),
        json.dumps(ONE | {"d": 7}),
        json.dumps({"kty": "oct", "k": "canary", "crv": "Ed25519"}),
        pem_of(ed448.Ed448PrivateKey.generate()),
        pem_of(x25519.X25519PrivateKey.generate()),
        pem_of(ec.generate_private_key(ec.SECP256R1())),
        "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----",
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_signing_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="must be a private Ed25519 key") as refused:
        read_signing_key(text)
    assert "canary" not in str(refused.value) and text not in str(refused.value)


def test_sets_and_single_keys_may_stand_one_after_another_and_a_key_said_twice_is_one() -> None:
    text = f"{key_set(ONE)} {json.dumps(public_half(OTHER))}\n{key_set(ONE, key_of('checkout', 1))}"
    assert {name: len(keys) for name, keys in read_trusted_keys(text).items()} == {"checkout": 2, "entitlements": 1}
    assert read_trusted_keys('{"keys": []}') == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("canary", "must be a JWK set"),
        ("[]", "must be a JWK set"),
        ('{"keys": [1]}', "must be a JWK set"),
        ('{"keys": "canary"}', "must be a JWK set"),
        (json.dumps({"keys": [ONE]}), "holds the private key of checkout"),
        (key_set(ONE).replace('"kid"', '"name"'), "each key must have a kid"),
        (key_set(ONE | {"kid": "a b"}), "each key must have a kid"),
        (key_set(ONE | {"x": "canary"}), "the key of checkout is no public Ed25519 key"),
        (key_set(ONE | {"crv": "Ed448"}), "the key of checkout is no public Ed25519 key"),
        (key_set(ONE | {"kty": "oct"}), "the key of checkout is no public Ed25519 key"),
        (key_set(ONE, ONE | {"kid": "operator"}), "checkout and operator have the same key"),
        (key_set(ONE, key_of("checkout", 1), key_of("checkout", 2)), "has 3 keys of checkout, at most 2"),
    ],
)
def test_what_are_no_trusted_keys_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as refused:
        read_trusted_keys(text)
    assert "canary" not in str(refused.value) and ONE["d"] not in str(refused.value)


class Checkout(ServiceSettings):
    service = "checkout"
    internal_readers: ReaderNames = ()


GOOD = {"INTERNAL_SIGNING_KEY": json.dumps(ONE), "INTERNAL_TRUSTED_KEYS": TRUSTED, "NATS_URL": "nats://127.0.0.1:9"}


def test_a_service_takes_its_own_key_and_one_without_a_name() -> None:
    for key in (json.dumps(ONE), ANY_KEY):
        assert load(Checkout, GOOD | {"INTERNAL_SIGNING_KEY": key}).obsolete() == {}


def test_another_services_key_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(Checkout, GOOD | {"INTERNAL_SIGNING_KEY": json.dumps(OTHER)})
    assert str(refused.value).startswith("INTERNAL_SIGNING_KEY: is the key of 'entitlements'; this is checkout")


def test_readers_are_names_and_none_of_ours() -> None:
    assert load(Checkout, GOOD | {"INTERNAL_READERS": " coach, journal,, "}).internal_readers == ("coach", "journal")
    for wrong in ("coach,a b", "checkout", "coach,operator"):
        with pytest.raises(ConfigurationError, match="INTERNAL_READERS: "):
            load(Checkout, GOOD | {"INTERNAL_READERS": wrong})


def test_the_secret_that_was_shared_is_no_setting_any_more_only_told_of_without_its_value() -> None:
    told = load(Checkout, GOOD | {"INTERNAL_AUTH_SECRET": "canary"}).obsolete()
    assert list(told) == ["INTERNAL_AUTH_SECRET"]
    assert "INTERNAL_SIGNING_KEY" in told["INTERNAL_AUTH_SECRET"] and "canary" not in str(told)
    with pytest.raises(ConfigurationError, match="INTERNAL_SIGNING_KEY: is required"):
        load(Checkout, {"INTERNAL_AUTH_SECRET": "canary" * 10, "NATS_URL": "nats://127.0.0.1:9"})
