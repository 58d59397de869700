"""A key exchanged under load, by `./atlas keys` and one service after another: nobody hears 503 or 401.

Gateway and entitlements run as processes of their own, each behind a load balancer; a new process is ready before the
old one is told to end, as in any rolling change.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from atlas_localstack.servers.ports import LOOPBACK, free_port
from atlas_operator.key_folder import KeyFolder, as_setting
from support.entitlements import Service
from support.gateway import cookie_of, gateway_environment
from support.stack import eventually
from support.switch import Switch, switch

NAMES = ("account-gateway", "entitlements")
ENOUGH = 60
"""Answers under each state of the exchange."""


class Rolling:
    """A service of which one process is replaced by another, with the keys as they are in the folder by then."""

    def __init__(self, keys: KeyFolder, door: Switch) -> None:
        self.keys, self.door = keys, door
        self._stop_last = contextlib.ExitStack()

    def identity(self, name: str) -> dict[str, str]:
        signing = as_setting(self.keys.signing_key(name))
        return {"INTERNAL_SIGNING_KEY": signing, "INTERNAL_TRUSTED_KEYS": as_setting(self.keys.trusted())}

    def replace(self) -> None:
        following = contextlib.ExitStack()
        self.door.to(following.enter_context(self.started()))
        self._stop_last.close()
        self._stop_last = following

    @contextlib.contextmanager
    def started(self) -> Iterator[int]:
        raise NotImplementedError

    def close(self) -> None:
        self._stop_last.close()


class Entitlements(Rolling):
    nats_url = dsn = ""

    @contextlib.contextmanager
    def started(self) -> Iterator[int]:
        service = Service(self.nats_url, self.dsn, self.identity("entitlements")).start()
        try:
            yield service.port
        finally:
            service.stop()


class Gateway(Rolling):
    behind = nats_url = ""

    @contextlib.contextmanager
    def started(self) -> Iterator[int]:
        port = free_port()
        given = gateway_environment(self.door.url, NATS_URL=self.nats_url, ENTITLEMENTS_URL=self.behind)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **given}
        process = subprocess.Popen(
            [sys.executable, "-m", "account_gateway", "--port", str(port)],
            env=environment | self.identity("account-gateway"), stdout=subprocess.DEVNULL,
        )  # fmt: skip

        def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"http://{LOOPBACK}:{port}/readyz").status_code == 200
            return False

        try:
            eventually(ready, 60, "the gateway ready")
            yield port
        finally:
            process.terminate()
            process.wait(20)


class Load:
    """Reads by many users without a pause; what they were answered."""

    def __init__(self, url: str) -> None:
        self.url, self.answers, self._over = url + "/api/pro/entitlement", Counter[int](), threading.Event()
        self._users = itertools.count()
        self._threads = [threading.Thread(target=self._read, daemon=True) for _ in range(3)]

    def _read(self) -> None:
        while not self._over.is_set():
            answer = httpx.get(self.url, headers=cookie_of(f"user_{next(self._users) % 97}"), timeout=30)
            self.answers[answer.status_code] += 1

    def more(self) -> None:
        """Wait until enough is answered in the present state."""
        before = self.answers.total()
        eventually(lambda: self.answers.total() > before + ENOUGH, 60, "answers")

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)


@pytest.fixture
def rolling(tmp_path: Path, nats_url: str, postgres_dsn: str) -> Iterator[tuple[KeyFolder, Gateway, Entitlements]]:
    keys = KeyFolder(tmp_path / "keys")
    keys.make(NAMES)
    with switch() as front, switch() as back, contextlib.ExitStack() as stack:
        entitlements, gateway = Entitlements(keys, back), Gateway(keys, front)
        entitlements.nats_url = gateway.nats_url = nats_url
        entitlements.dsn, gateway.behind = postgres_dsn, back.url
        for service in (entitlements, gateway):
            stack.callback(service.close)
            service.replace()
        yield keys, gateway, entitlements


@pytest.mark.timeout(300)
def test_a_key_is_exchanged_under_load_without_a_503_or_401(rolling: tuple[KeyFolder, Gateway, Entitlements]) -> None:
    keys, gateway, entitlements = rolling
    old = keys.signing_key("account-gateway")
    with Load(gateway.door.url) as load:
        load.more()
        keys.begin("account-gateway")
        entitlements.replace()
        load.more()
        keys.switch("account-gateway")
        gateway.replace()
        load.more()
        keys.end("account-gateway")
        entitlements.replace()
        load.more()
    assert set(load.answers) == {200}, load.answers
    assert load.answers.total() > 4 * ENOUGH
    assert keys.signing_key("account-gateway") != old
    assert json.dumps(keys.trusted()).count('"account-gateway"') == 1


@pytest.mark.timeout(300)
def test_a_key_that_is_used_before_it_is_trusted_is_refused(rolling: tuple[KeyFolder, Gateway, Entitlements]) -> None:
    """What the order of the steps is for: without it, users hear 503."""
    keys, gateway, _ = rolling
    keys.begin("account-gateway")
    keys.switch("account-gateway")
    gateway.replace()
    answer = httpx.get(f"{gateway.door.url}/api/pro/entitlement", headers=cookie_of("ada"), timeout=30)
    assert answer.status_code == 503
