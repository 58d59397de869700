"""Who may ask whom on a running stack: keys of their own, a reader, a service admitted by configuration."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pydantic import SecretStr

from atlas_contracts.callers import MAY_CALL, READER
from atlas_contracts.issuers import APP
from atlas_kit.http.identity import TokenMint
from atlas_localstack.stack.plan import SERVICES, SIGNERS
from support.buyer import Buyer
from support.identity import key_of, key_set, mint, mint_of_stack
from support.stack import WORKSPACE, Stack, eventually, running_stack

OBSOLETE = "canary-of-the-secret-that-was-shared-0123456789"
READ = {"userId", "productKey", "isPro", "status", "source", "activeFrom", "activeUntil", "version", "reason", "updatedAt"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    given = {
        "INTERNAL_TRUSTED_KEYS": key_set(key_of("coach"), key_of("journal")),
        "INTERNAL_READERS": "coach",
        "INTERNAL_AUTH_SECRET": OBSOLETE,
        "BILLING_PULL_INTERVAL_SECONDS": "0",
    }
    with running_stack(given) as running:
        yield running


@pytest.fixture(scope="module")
def pro(stack: Stack) -> Iterator[str]:
    buyer = Buyer(stack)
    buyer.buy()
    eventually(buyer.is_pro, 30)
    yield buyer.user
    buyer.browser.close()


def told(stack: Stack, name: str) -> tuple[str, TokenMint]:
    """The reader that `stack.json` names, or the web app, whose key lies among the stack's keys; and the key."""
    if name == APP:
        return name, mint_of_stack(stack.home, name)
    found = stack.json["auth"][name]
    assert set(found) == {"issuer", "signing_key"}
    return found["issuer"], TokenMint(SecretStr(json.dumps(found["signing_key"])), found["issuer"])


def asked(stack: Stack, signing: TokenMint, subject: str, service: str = "entitlements", method: str = "GET", path: str = "/v1/entitlements/x") -> Any:
    headers = {"authorization": f"Bearer {signing.token(service, subject)}"}
    return httpx.request(method, stack.url(service) + path, headers=headers, timeout=30)


def test_the_stacks_reader_learns_who_is_pro(stack: Stack, pro: str) -> None:
    issuer, signing = told(stack, "reader")
    assert issuer == "atlas-reader"
    answer = asked(stack, signing, issuer, path=f"/v1/entitlements/{pro}")
    assert (answer.status_code, set(answer.json()), answer.json()["isPro"]) == (200, READ, True)


@pytest.mark.parametrize("name", ["reader", APP])
def test_a_key_that_the_stack_makes_for_others_opens_its_own_rows_and_no_other(stack: Stack, name: str) -> None:
    issuer, signing = told(stack, name)
    role = READER if name == "reader" else issuer
    for service, rows in MAY_CALL.items():
        for (method, path), callers in rows.items():
            subject = issuer if name == "reader" else "x"
            answer = asked(stack, signing, subject, service, method, re.sub("{.*?}", "x", path))
            assert (answer.status_code == 403) == (role not in callers), (service, method, path, answer.status_code)


def test_each_process_holds_its_own_private_key_and_no_other(stack: Stack) -> None:
    private = {name: json.loads((stack.home / "keys" / f"{name}.json").read_text())["d"] for name in SIGNERS}
    for part, name in {**{service: service for service in SERVICES}, "sandbox": "stripe-sandbox"}.items():
        environ = json.dumps(psutil.Process(stack.pid(part)).environ())
        assert {owner for owner, secret in private.items() if secret in environ} == {name}
    assert {file.stat().st_mode & 0o777 for file in (stack.home / "keys").iterdir()} == {0o600}


def test_a_service_is_admitted_by_its_key_and_its_name_and_by_neither_alone(stack: Stack, pro: str) -> None:
    path = f"/v1/entitlements/{pro}"
    assert asked(stack, mint("coach"), "coach", path=path).status_code == 200
    assert asked(stack, mint("journal"), "journal", path=path).status_code == 403, "trusted, and no reader"
    assert asked(stack, mint("another-reader"), "another-reader", path=path).status_code == 401


def test_the_control_room_shows_what_the_product_says(stack: Stack, pro: str) -> None:
    answer = httpx.get(f"{stack.url('sandbox')}/_sandbox/entitlements", params={"user": pro}, timeout=30)
    assert answer.json()["data"][pro]["isPro"] is True


def test_each_service_says_once_that_the_shared_secret_is_not_read_and_what_replaces_it(stack: Stack) -> None:
    for service in SERVICES:
        log = (stack.home / "logs" / f"{service}.log").read_text()
        [line] = [line for line in log.splitlines() if "configuration.obsolete" in line]
        assert json.loads(line)["variable"] == "INTERNAL_AUTH_SECRET"
        assert OBSOLETE not in log


def test_the_guides_program_tells_who_is_pro(stack: Stack, pro: str, tmp_path: Path) -> None:
    guide = (WORKSPACE / "docs" / "consuming-entitlements.md").read_text()
    [program] = [found for found in re.findall(r"```python\n(.*?)```", guide, re.DOTALL) if "EntitlementReader" in found]
    (tmp_path / ".atlas").mkdir()
    (tmp_path / ".atlas" / "stack.json").write_text(json.dumps(stack.json))
    program = program.replace('"ada", "bob"', f'"{pro}", "nobody"')
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str({pro: True, "nobody": False})


def test_a_part_that_is_started_again_takes_the_keys_as_they_are_now(stack: Stack) -> None:
    issuer, old = told(stack, "reader")
    assert stack.atlas("keys", "rotate", issuer, "begin").returncode == 0
    following = SecretStr((stack.home / "keys" / f"{issuer}.next.json").read_text())
    before = stack.pid("entitlements")
    psutil.Process(before).kill()

    def admitted() -> bool:
        try:
            pid = stack.json["services"]["entitlements"]["pid"]
            return pid not in (None, before) and asked(stack, TokenMint(following, issuer), issuer).status_code == 200
        except httpx.TransportError:
            return False

    eventually(admitted, 60, "the second key is trusted")
    assert asked(stack, old, issuer).status_code == 200
