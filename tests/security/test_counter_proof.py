"""Each protection taken out, in a copy of the code: the test that SECURITY.md names for it must notice.

Where two layers hold (a token's header is checked before joserfc checks it again), only both together would be missed:
such are not in the list. The long run only: ``./atlas test -m slow tests/security/test_counter_proof.py``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(600)
WORKSPACE = Path(__file__).resolve().parents[2]
INGEST, GATEWAY = "services/webhook-ingest/src/webhook_ingest", "services/account-gateway/src/account_gateway"
ENTITLEMENTS, KIT = "services/entitlements/src/entitlements", "shared/kit/src/atlas_kit"
STRIPE, STACK = "shared/stripe/src/atlas_stripe", "shared/localstack/src/atlas_localstack/stack"
SIGNATURE = "tests/unit/webhook_ingest/test_signature.py"
HOSTILE, EDGE = "tests/integration/webhook_ingest/test_hostile.py", "tests/unit/kit/test_edge_middleware.py"
CONNECTIONS, TOKENS = "tests/integration/kit/test_http_connections.py", "tests/unit/account_gateway/test_session_tokens.py"
ROUTES, IDENTITY = "tests/security/test_every_route.py", "tests/unit/kit/test_identity.py"
DOORS, KEYS = "tests/security/test_doors.py", "tests/unit/kit/test_keys.py"
LEDGER, ROLES = "tests/integration/entitlements/test_ledger_and_reads.py", "tests/integration/stack/test_database_roles.py"
BROKER, STREAMS = "tests/integration/stack/test_broker_permissions.py", "tests/integration/account_gateway/test_stream_sessions.py"
REPLIES = "tests/security/test_broker_replies.py"
PRODUCTION, STORED = "tests/security/test_production_mode.py", "tests/integration/account_gateway/test_stored_sessions.py"

# What is taken out: file, what stands there, what stands there without it, the test (and which of its file).
MUTANTS: dict[str, tuple[str, str, str, str, str]] = {
    # 1. The webhook's door.
    "any signature": (f"{STRIPE}/signature.py", "hmac.compare_digest(expected, signature)", "True", SIGNATURE, ""),
    "a future signature": (f"{STRIPE}/signature.py", "abs(now - int(timestamp))", "now - int(timestamp)", SIGNATURE, ""),
    "an old signature": (f"{STRIPE}/signature.py", "abs(now - int(timestamp))", "int(timestamp) - now", SIGNATURE, ""),
    "ten thousand v1": (f"{STRIPE}/signature.py", "0 < len(signatures) <= MAX_SIGNATURES", "0 < len(signatures)", SIGNATURE, ""),
    "a long header": (f"{STRIPE}/signature.py", "len(header) > MAX_HEADER_BYTES", "False", SIGNATURE, ""),
    "two headers": (f"{STRIPE}/signature.py", "len(headers) != 1 or not headers[0]", "not headers or not headers[0]", SIGNATURE, ""),
    "parsing before verifying": (
        f"{INGEST}/use_cases/receive.py", "verifier.verify(signatures, body, now)\n        event = read_event(body)",
        "event = read_event(body)\n        verifier.verify(signatures, body, now)", "tests/integration/webhook_ingest/test_webhook.py", "not_even_parsed",
    ),
    "a name twice": (f"{STRIPE}/envelope.py", "len(members) != len(pairs)", "False", HOSTILE, "cannot_be_read"),
    "1e999": (f"{STRIPE}/envelope.py", "not math.isfinite(value)", "False", HOSTILE, "cannot_be_read"),
    "NaN": (f"{STRIPE}/envelope.py", "parse_constant=_no_constant", "parse_constant=float", HOSTILE, "cannot_be_read"),
    "a lone surrogate": (f"{STRIPE}/envelope.py", "from_json(body)  #", "pass  #", HOSTILE, "cannot_be_read"),
    "U+0000": (f"{STRIPE}/envelope.py", 'b"\\\\u0000" in body and', "False and", HOSTILE, "0000"),
    "deep nesting": (f"{STRIPE}/envelope.py", "(ValueError, RecursionError)", "ValueError", HOSTILE, "cannot_be_read"),
    "any body size": (f"{KIT}/http/middleware.py", "if seen > limit:", "if False:", EDGE, ""),
    "a slow body": (f"{KIT}/http/middleware.py", "asyncio.timeout_at(deadline)", "asyncio.timeout_at(None)", EDGE, ""),
    "an endless head": (f"{KIT}/http/protocol.py", "self._head_bytes > HEAD_BYTES", "False", HOSTILE, "64_kilobytes"),
    "a slow head": (f"{KIT}/http/protocol.py", "REFUSED_SECONDS if self._refused else HEAD_SECONDS", "3600", HOSTILE, "never_finish"),
    "any number of connections": (f"{KIT}/http/connections.py", "len(self._open) < self._most or", "True or", CONNECTIONS, ""),
    "ending who waits for an answer": (
        f"{KIT}/http/connections.py", 'for the process."""\n        self._waiting.pop(connection, None)', 'for the process."""', CONNECTIONS, "",
    ),
    "ending whose request is unread": (
        f"{KIT}/http/connections.py", "first is None or not first.has_unread()", "True", CONNECTIONS, "did_not_come_to_read",
    ),
    "half bodies": (f"{KIT}/http/connections.py", "self._held > self._bodies_bytes", "False", CONNECTIONS, ""),
    "a packet full of requests": (f"{KIT}/http/protocol.py", "len(self.pipeline) > PIPELINED", "False", CONNECTIONS, ""),
    "answers nobody reads": (f"{KIT}/http/protocol.py", "self._stall = self.loop.call_later(", "(lambda *_: None)(", CONNECTIONS, "nobody_reads"),
    "keeping all of what is parked": (
        f"{INGEST}/domain/retained.py", "for name in OBJECT_FIELDS if name in obj", "for name in obj", "tests/unit/webhook_ingest", "",
    ),
    # 2. Callers.
    "an expired token": (f"{GATEWAY}/session/tokens.py", "expires + CLOCK_TOLERANCE_SECONDS <= now or", "", TOKENS, ""),
    "a token without exp": (f"{GATEWAY}/session/tokens.py", "or not _is_number(expires) or", "or", TOKENS, ""),
    "a state cookie": (f"{GATEWAY}/session/tokens.py", 'claims.get("sub")', 'str(claims.get("sub"))', TOKENS, ""),
    "plain names on https": (f"{GATEWAY}/session/cookies.py", '"__Secure-" if secure else ""', '""', TOKENS, ""),
    "fifty chunks": (f"{GATEWAY}/session/cookies.py", "MAX_CHUNKS = 8", "MAX_CHUNKS = 80", TOKENS, ""),
    "huge cookies": (f"{GATEWAY}/session/cookies.py", "or len(raw) > MAX_COOKIE_HEADER", "", TOKENS, ""),
    "an expired database session": (f"{GATEWAY}/session/stored.py", "expires > self._now() and", "", STORED, "expired"),
    "writing to the web app's database": (f"{GATEWAY}/session/stored.py", "BEGIN READ ONLY", "BEGIN", STORED, ""),
    "a stream after its session": (f"{GATEWAY}/entrypoints/live/stream.py", "or not await signed_in()", "", STREAMS, "signing_out"),
    "any number of streams": (f"{GATEWAY}/entrypoints/live/changes.py", "> MOST_STREAMS_PER_USER:", "> 10**9:", STREAMS, "too_many"),
    **{
        f"another site's POST to {name}": (f"{GATEWAY}/entrypoints/{'pages' if name == 'dev_sign_in' else 'api'}/{name}.py", "Depends(same_origin)", "Depends(dict)", ROUTES, "another_site")
        for name in ("checkout", "confirm", "portal", "restore", "dev_sign_in")
    },
    "a cross-site request without Origin": (f"{GATEWAY}/entrypoints/api/guards.py", "    _refuse_cross_site(headers)\n\n\nasync", "\n\nasync", ROUTES, "another_site"),
    "prefetch": (f"{GATEWAY}/entrypoints/api/navigation.py", "Depends(no_prefetch), ", "", ROUTES, "prefetch"),
    "an open redirect": (f"{GATEWAY}/entrypoints/api/return_paths.py", "candidate and _SAFE.fullmatch(candidate)", "candidate", ROUTES, "place_to_return"),
    "any request id": (f"{KIT}/process/context.py", "if c and REQUEST_ID_PATTERN.fullmatch(c)", "if c", "tests/unit/kit/test_context.py", ""),
    "no limits": (f"{GATEWAY}/entrypoints/api/rate_limits.py", "if not window.allowed:", "if False:", "tests/unit/account_gateway/test_rate_limits.py", ""),
    "a limit per replica": (f"{GATEWAY}/entrypoints/api/rate_limits.py", "if self._checkout is None:", "if True:", "tests/unit/account_gateway/test_rate_limits.py", "replicas"),
    # 3. Inside.
    "a token for another service": (f"{KIT}/http/identity.py", 'or claims.get("aud") != self.audience', "", IDENTITY, ""),
    "an expired internal token": (f"{KIT}/http/identity.py", "<= time.time() < expires", "<= time.time()", IDENTITY, ""),
    "a token for an hour": (f"{KIT}/http/identity.py", "expires <= issued + TOKEN_SECONDS", "expires", IDENTITY, ""),
    "a token of the future": (f"{KIT}/http/identity.py", "begins - CLOCK_SLACK_SECONDS <= time.time()", "time.time()", IDENTITY, ""),
    "one service in another's name": (f"{KIT}/http/identity.py", 'claims.get("iss") != issuer or', "", IDENTITY, ""),
    "any key": (f"{KIT}/http/identity.py", "if not any(jws.validate_compact(signed, key, registry=_REGISTRY) for key in keys):", "if False:", IDENTITY, ""),
    "a kid that nobody has": (f"{KIT}/http/identity.py", "self._trusted.get(issuer, ())", "next(iter(self._trusted.values()))", IDENTITY, ""),
    "one key for two services": (f"{KIT}/process/keys.py", "if names.setdefault(point, name) != name:", "if False:", KEYS, ""),
    "a private key among the public ones": (f"{KIT}/process/keys.py", 'if "d" in jwk:', "if False:", KEYS, ""),
    "any number of keys": (f"{KIT}/process/keys.py", "if len(keys) > KEYS_PER_ISSUER:", "if False:", KEYS, ""),
    "any service at any door": (f"{KIT}/http/doors.py", "role not in self._may_call.get((method, path), ()) or", "", DOORS, "own_rows and entitlements"),
    "anybody as a reader": (
        "shared/contracts/src/atlas_contracts/callers.py", "return READER if issuer in readers else None", "return READER", DOORS, "nobody_is_a_reader",
    ),
    "a reader in any name": (f"{KIT}/http/doors.py", "or (role == READER and caller.subject != caller.issuer)", "", DOORS, "before_the_body and entitlements"),
    "a reader that writes facts": (f"{STACK}/permissions.py", "            *ENTITLEMENTS.subjects,\n", "            *ENTITLEMENTS.subjects,\n            *BILLING.subjects,\n", BROKER, ""),
    "a door that reads facts": (f"{STACK}/permissions.py", "            *_read(PARKED.name),\n", "            *_read(PARKED.name),\n            *_read(BILLING.name),\n", BROKER, ""),
    "one inbox for all": (f"{STACK}/permissions.py", 'return f"_INBOX_{user}"', 'return "_INBOX"', BROKER, "overhears"),
    "purging": (f"{STACK}/permissions.py", '("DELETE", "PURGE", "UPDATE", "MSG.DELETE")', '("DELETE", "UPDATE", "MSG.DELETE")', BROKER, ""),
    "facts under any subject": (f"{KIT}/messaging/listening/durable.py", "filter_subject=stream.subjects[0],", "", REPLIES, "not_even_given"),
    "direct reads of facts": (f"{KIT}/messaging/declaring.py", "deny_purge=True,\n        allow_direct=stream.direct_reads", "deny_purge=True,\n        allow_direct=True", REPLIES, "bare_copy"),
    "folding copies": (f"{ENTITLEMENTS}/entrypoints/projector.py", "if COPY_HEADER in (message.headers or {}):", "if False:", REPLIES, "older_version"),
    "changing the ledger": (
        f"{ENTITLEMENTS}/migrations/versions/20261123_0001_ledger.py", "BEFORE UPDATE OR DELETE ON ledger", "BEFORE DELETE ON ledger", LEDGER, "refuses_change",
    ),
    "truncating the ledger": (
        f"{ENTITLEMENTS}/migrations/versions/20261123_0001_ledger.py",
        "CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();", "", LEDGER, "refuses_change",
    ),
    "a role with all rights on the ledger": (
        f"{ENTITLEMENTS}/migrations/versions/20261123_0001_ledger.py", "'REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES ON", "'REVOKE TRIGGER ON", LEDGER, "service_role",
    ),
    "another's database": (f"{STACK}/roles.py", "REVOKE ALL ON DATABASE {name} FROM PUBLIC;", "", ROLES, ""),
    "dev sign-in on https": (f"{GATEWAY}/settings.py", 'value and str(info.data.get("nextauth_url", "")).startswith("https://")', "False", PRODUCTION, ""),
    "a live key for somebody else": (f"{INGEST}/settings.py", "if value is not None and key is not None and is_live_key(key):", "if False:", PRODUCTION, ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for name in ("services", "shared", "tests"):
        shutil.copytree(WORKSPACE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(WORKSPACE / name, folder)
    return folder


def test_every_protection_of_the_list_stands_where_it_says_and_so_does_its_test() -> None:
    gone = {mutant: (WORKSPACE / file).is_file() and (WORKSPACE / file).read_text().count(there) for mutant, (file, there, *_) in MUTANTS.items()}
    assert {mutant: count for mutant, count in gone.items() if count != 1} == {}
    assert {test for _, _, _, test, _ in MUTANTS.values() if not (WORKSPACE / test.partition("::")[0]).exists()} == set()


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_protection_is_missed_when_it_is_taken_out(copy: Path, mutant: str) -> None:
    name, there, without, test, which = MUTANTS[mutant]
    file = copy / name
    original = file.read_text()
    assert original.count(there) == 1, f"{there!r} isn't there once: this list is out of date"
    file.write_text(original.replace(there, without))
    try:
        done = _run(copy, test, which)
    finally:
        file.write_text(original)
    assert done.returncode == 1, f"nobody noticed: {done.returncode}\n{done.stdout[-3_000:]}"
    assert " failed" in done.stdout or " error" in done.stdout


def _run(copy: Path, test: str, which: str) -> subprocess.CompletedProcess[str]:
    sources = [str(path) for kind in ("services", "shared") for path in copy.glob(f"{kind}/*/src")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sources), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", test, *(["-k", which] if which else [])]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=300, check=False)
