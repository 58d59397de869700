"""Sessions of next-auth v4 and Auth.js v5, as their own libraries made them, and everything that looks like one."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import OctKey
from starlette.datastructures import Headers

from account_gateway.session.cookies import AUTH_JS_V5, NEXT_AUTH_V4
from account_gateway.session.encrypted import EncryptedSessions
from account_gateway.session.mint import mint_token
from account_gateway.session.tokens import V4_ENCRYPTION, V5_ENCRYPTION, v4_key, v5_key

pytestmark = pytest.mark.anyio

SECRET = "h4-test-secret-not-for-production-0123456789"
NOW = 1_800_000_000
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "nextauth.json").read_text())["vectors"]


def cookies(**pairs: str) -> Headers:
    return Headers({"cookie": "; ".join(f"{name}={value}" for name, value in pairs.items())})


def named(pairs: dict[str, str]) -> Headers:
    return cookies(**pairs)


def sessions(*secrets: str, secure: bool = False, now: float = NOW) -> EncryptedSessions:
    return EncryptedSessions(secrets or (SECRET,), secure=secure, clock=lambda: now)


def token(claims: Any, key: OctKey | None = None, enc: str = V4_ENCRYPTION, **header: Any) -> str:
    plaintext = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    registry = jwe.JWERegistry(algorithms=["dir", enc, "DEF"], strict_check_header=False)
    return jwe.encrypt_compact({"alg": "dir", "enc": enc} | header, plaintext, key or v4_key(SECRET), registry=registry)


def claims(**changes: Any) -> dict[str, Any]:
    return {"sub": "user_1", "exp": NOW + 3600} | changes


async def v4_user(raw: str, **options: Any) -> str | None:
    return await sessions(**options).user_of(named({NEXT_AUTH_V4: raw}))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
async def test_tokens_of_the_real_libraries_are_read_as_they_should_be(vector: dict[str, Any]) -> None:
    reader = EncryptedSessions((vector["secret"],), secure=False)
    user = await reader.user_of(named(vector["cookies"]))
    assert user == ("user_01HZX3" if vector["expect"] == "ok" else None)


async def test_a_v4_session_is_read_from_its_cookie() -> None:
    assert await v4_user(token(claims())) == "user_1"


async def test_a_v5_session_is_read_from_its_cookie() -> None:
    raw = token(claims(), v5_key(SECRET, AUTH_JS_V5), V5_ENCRYPTION)
    assert await sessions().user_of(named({AUTH_JS_V5: raw})) == "user_1"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_same_tokens_are_read_as_bearer(scheme: str) -> None:
    for raw in (token(claims()), token(claims(), v5_key(SECRET, AUTH_JS_V5), V5_ENCRYPTION)):
        assert await sessions().user_of(Headers({"authorization": f"{scheme} {raw}"})) == "user_1"


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer a.b.c.d.e", "Bearer .."])
async def test_other_authorization_is_nobody(value: str) -> None:
    assert await sessions().user_of(Headers({"authorization": value})) is None


async def test_during_a_rotation_tokens_of_older_secrets_are_accepted_and_of_removed_ones_refused() -> None:
    raw = token(claims())
    assert await sessions("new", SECRET).user_of(named({NEXT_AUTH_V4: raw})) == "user_1"
    assert await sessions("new").user_of(named({NEXT_AUTH_V4: raw})) is None


@pytest.mark.parametrize(("seconds_ago", "user"), [(-1, "user_1"), (14, "user_1"), (15, None), (3600, None)])
async def test_a_session_lives_until_exp_and_15_seconds(seconds_ago: int, user: str | None) -> None:
    assert await v4_user(token(claims(exp=NOW - seconds_ago))) == user


@pytest.mark.parametrize(
    "changed",
    [
        {"sub": None},
        {"sub": ""},
        {"sub": "   "},
        {"sub": 7},
        {"sub": ["user_1"]},
        {"sub": "a" * 256},
        {"sub": "a\u0000b"},
        {"sub": "a\r\nx-user: b"},
        {"sub": "\ud800"},
        {"exp": None},
        {"exp": "1900000000"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": NOW + 3600},
        {"nbf": "soon"},
    ],
    ids=str,
)
async def test_a_token_without_a_usable_sub_or_exp_is_no_session(changed: dict[str, Any]) -> None:
    assert await v4_user(token(claims(**changed))) is None


async def test_a_state_cookie_of_next_auth_is_no_session() -> None:
    state = token({"state": "abc", "exp": NOW + 900, "iat": NOW, "jti": "x"})
    assert await v4_user(state) is None


async def test_a_token_without_exp_is_no_session() -> None:
    assert await v4_user(token({"sub": "user_1"})) is None


@pytest.mark.parametrize("plaintext", [b"", b"null", b"[]", b'"user_1"', b"\xff", b"[" * 100_000, b"9" * 5_000])
async def test_a_token_that_holds_no_claims_is_no_session(plaintext: bytes) -> None:
    assert await v4_user(token(plaintext)) is None


def _jws(header: dict[str, Any], signature: str = "") -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part(header)}.{part(claims())}.{signature}"


def _with_header(raw: str, **changes: Any) -> str:
    head, _, rest = raw.partition(".")
    header = json.loads(base64.urlsafe_b64decode(head + "==")) | changes
    return base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode() + "." + rest


async def test_no_other_algorithm_is_accepted() -> None:
    forged = [
        _jws({"alg": "none"}),
        _jws({"alg": "HS256"}, "c2ln"),
        token(claims(), OctKey.import_key(v4_key(SECRET).raw_value[:16]), "A128GCM"),
        token(claims(), OctKey.import_key(v4_key(SECRET).raw_value), "A128CBC-HS256"),
        token(claims(), zip="DEF"),
        _with_header(token(claims()), alg="A256KW"),
        _with_header(token(claims()), crit=["exp"]),
        _with_header(token(claims()), jwk={"kty": "oct"}),
        token(claims(), p2c=1_000_000_000),
    ]
    for raw in forged:
        assert await v4_user(raw) is None, raw[:80]
        assert await sessions().user_of(Headers({"authorization": f"Bearer {raw}"})) is None


async def test_a_compressed_token_is_refused_before_it_is_decompressed() -> None:
    bomb = token(zlib.compress(b" " * 10_000_000)[2:-4], zip="DEF")
    assert await v4_user(bomb) is None


async def test_a_token_counts_only_under_its_own_cookies_name() -> None:
    v4, v5 = token(claims()), token(claims(), v5_key(SECRET, AUTH_JS_V5), V5_ENCRYPTION)
    assert await sessions().user_of(named({AUTH_JS_V5: v4})) is None
    assert await sessions().user_of(named({NEXT_AUTH_V4: v5})) is None
    other_name = token(claims(), v5_key(SECRET, "authjs.other"), V5_ENCRYPTION)
    assert await sessions().user_of(named({AUTH_JS_V5: other_name})) is None


async def test_on_https_only_the_secure_names_count() -> None:
    v4 = token(claims())
    plain_v5 = token(claims(), v5_key(SECRET, AUTH_JS_V5), V5_ENCRYPTION)
    secure_v5 = token(claims(), v5_key(SECRET, f"__Secure-{AUTH_JS_V5}"), V5_ENCRYPTION)
    https = sessions(secure=True)
    assert await https.user_of(named({NEXT_AUTH_V4: v4})) is None
    assert await https.user_of(named({AUTH_JS_V5: plain_v5})) is None
    assert await https.user_of(named({f"__Secure-{AUTH_JS_V5}": plain_v5})) is None
    assert await https.user_of(named({f"__Secure-{NEXT_AUTH_V4}": v4})) == "user_1"
    assert await https.user_of(named({f"__Secure-{AUTH_JS_V5}": secure_v5})) == "user_1"
    assert await https.user_of(named({NEXT_AUTH_V4: token(claims(sub="attacker")), f"__Secure-{NEXT_AUTH_V4}": v4})) == "user_1"
    assert await sessions().user_of(named({f"__Secure-{NEXT_AUTH_V4}": v4})) is None


async def test_chunks_are_joined_by_number() -> None:
    raw = token(claims())
    parts = {f"{NEXT_AUTH_V4}.{i}": raw[i * 100 : (i + 1) * 100] for i in reversed(range(len(raw) // 100 + 1))}
    assert await sessions().user_of(named(parts)) == "user_1"


@pytest.mark.parametrize("missing", [0, 1])
async def test_incomplete_chunks_are_no_session(missing: int) -> None:
    raw = token(claims())
    parts = {f"{NEXT_AUTH_V4}.{i}": raw[i * 60 : (i + 1) * 60] for i in range(len(raw) // 60 + 1)}
    del parts[f"{NEXT_AUTH_V4}.{missing}"]
    assert await sessions().user_of(named(parts)) is None


async def test_fifty_chunks_are_no_session() -> None:
    raw = token(claims())
    size = len(raw) // 50 + 1
    parts = {f"{NEXT_AUTH_V4}.{i}": raw[i * size : (i + 1) * size] for i in range(50)}
    assert await sessions().user_of(named(parts)) is None


async def test_odd_chunk_names_are_no_session() -> None:
    raw = token(claims())
    for name in (f"{NEXT_AUTH_V4}.00", f"{NEXT_AUTH_V4}.-0", f"{NEXT_AUTH_V4}.", f"{NEXT_AUTH_V4}.x", f"{NEXT_AUTH_V4}x"):
        assert await sessions().user_of(named({name: raw})) is None


async def test_huge_cookies_are_no_session() -> None:
    huge = token(claims(name="a" * 40_000))
    assert await v4_user(huge) is None
    assert await sessions().user_of(Headers({"authorization": f"Bearer {huge}"})) is None
    stuffed = Headers({"cookie": f"{NEXT_AUTH_V4}={token(claims())}; x=" + "a" * 70_000})
    assert await sessions().user_of(stuffed) is None


async def test_of_two_cookies_with_one_name_the_first_counts() -> None:
    first, second = token(claims(sub="first")), token(claims(sub="second"))
    headers = Headers({"cookie": f"{NEXT_AUTH_V4}={first}; {NEXT_AUTH_V4}={second}"})
    assert await sessions().user_of(headers) == "first"


@pytest.mark.parametrize("position", range(0, 280, 7))
async def test_a_changed_character_breaks_a_token(position: int) -> None:
    raw = token(claims())
    position %= len(raw) - 2  # the last character of a part may carry unused bits
    changed = raw[:position] + ("A" if raw[position] != "A" else "B") + raw[position + 1 :]
    if base64.urlsafe_b64decode(changed.split(".")[-1] + "==") != base64.urlsafe_b64decode(raw.split(".")[-1] + "==") or changed.rsplit(".", 1)[0] != raw.rsplit(".", 1)[0]:
        assert await v4_user(changed) is None


@pytest.mark.parametrize("raw", ["", ".", "....", "a.b.c.d.e", "ey.ey.ey.ey.ey", "%00", "é", "null", "eyJ9....", "e30...."])
async def test_garbage_is_nobody(raw: str) -> None:
    assert await v4_user(raw) is None


async def test_the_memory_of_verified_tokens_honors_their_end() -> None:
    now = NOW
    reader = EncryptedSessions((SECRET,), secure=False, clock=lambda: now)
    headers = named({NEXT_AUTH_V4: token(claims(exp=NOW + 10))})
    assert await reader.user_of(headers) == "user_1"
    now = NOW + 24
    assert await reader.user_of(headers) == "user_1"
    now = NOW + 25
    assert await reader.user_of(headers) is None
    assert await reader.user_of(headers) is None


async def test_the_memory_of_verified_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("account_gateway.session.encrypted.CACHED_SESSIONS", 3)
    reader = sessions()
    for number in range(6):
        assert await reader.user_of(named({NEXT_AUTH_V4: token(claims(sub=f"user_{number}"))})) == f"user_{number}"
    assert len(reader._known) == 3


async def test_a_token_remembered_under_one_name_is_not_valid_under_another() -> None:
    reader = sessions()
    raw = token(claims())
    assert await reader.user_of(named({NEXT_AUTH_V4: raw})) == "user_1"
    assert await reader.user_of(named({AUTH_JS_V5: raw})) is None


async def test_an_invalid_session_does_not_hide_a_valid_one_of_the_other_library() -> None:
    v5 = token(claims(), v5_key(SECRET, AUTH_JS_V5), V5_ENCRYPTION)
    assert await sessions().user_of(named({NEXT_AUTH_V4: "stale", AUTH_JS_V5: v5})) == "user_1"


async def test_the_minted_token_is_one_that_next_auth_would_make() -> None:
    raw = mint_token("alice", SECRET)
    assert await EncryptedSessions((SECRET,), secure=False).user_of(named({NEXT_AUTH_V4: raw})) == "alice"
    header = json.loads(base64.urlsafe_b64decode(raw.partition(".")[0] + "=="))
    assert header == {"alg": "dir", "enc": "A256GCM"}
