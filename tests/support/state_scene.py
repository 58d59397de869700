"""A bucket of entitlements on a broker of its own, whoever changes it, and the truth beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from atlas_contracts.streams import ENTITLEMENTS, STATE, state_key, state_subject
from atlas_kit.messaging.declaring import declare_stream
from atlas_localstack.servers import broker
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.faults.proxy import Link, Proxies

AT_ONCE = 500
LINK = "broker"


def data(user: str, version: int, *, is_pro: bool) -> dict[str, Any]:
    """An entitlement event's `data`."""
    begun, ended = "2026-11-01T10:00:00Z", "2026-11-20T10:00:00Z"
    return {
        "userId": user, "productKey": "pro_lifetime_v1", "isPro": is_pro, "status": "active" if is_pro else "revoked", "source": "stripe", "activeFrom": begun,
        "activeUntil": None if is_pro else ended, "version": version, "reason": "purchase" if is_pro else "refunded", "causedBy": f"stripe:evt_{version}:x",
    }  # fmt: skip


@dataclass
class Scene:
    """The truth, and a broker that tells it: directly at `url`, and through a connection that can be broken at `through`."""

    port: int
    home: Path
    proxies: Proxies
    truth: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    """Who is Pro no more, since when (time.monotonic)."""
    _process: subprocess.Popen[bytes] | None = None
    _monitor: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def through(self) -> str:
        return f"nats://{LOOPBACK}:{self.proxies.links[LINK].port}"

    # --- The broker -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        settings = broker.BrokerSettings(self.port, self._monitor, self.home / "store")
        config, log = self.home / "nats.conf", self.home / "nats.log"
        # A killed process loses nothing that it wrote: only a power cut would, and syncing 10,000 entries takes long.
        config.write_text(broker.configuration(settings).replace("sync_interval: always", "sync_interval: 2m"))
        with log.open("ab") as sink:
            self._process = broker.start(config, sink)
        broker.wait_until_ready(self._process, settings, log)

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    @contextlib.asynccontextmanager
    async def writer(self) -> AsyncIterator[Client]:
        connection = await nats.connect(self.url, max_reconnect_attempts=3)
        try:
            yield connection
        finally:
            await connection.close()

    # --- What happens to users --------------------------------------------------------------------------------------

    async def change(self, told: Mapping[str, bool]) -> None:
        """Each of these users is Pro or isn't: one version more."""
        async with self.writer() as connection:
            for some in _parts(told, AT_ONCE):
                await asyncio.gather(*(self._put(connection, user, told[user]) for user in some))

    async def forget(self, *users: str) -> None:
        async with self.writer() as connection:
            for user in users:
                await connection.jetstream().publish(state_subject(state_key(user)), headers={"KV-Operation": "DEL"})
                self.ended[user] = time.monotonic()
                del self.truth[user]

    async def republish(self) -> None:
        """The whole truth is written again, into a bucket that may be gone."""
        async with self.writer() as connection:
            await declare_stream(connection.jetstream(), STATE, 1)
            for some in _parts(self.truth, AT_ONCE):
                await asyncio.gather(*(_publish(connection, self.truth[user]) for user in some))

    async def _put(self, connection: Client, user: str, is_pro: bool) -> None:
        value = data(user, self.truth.get(user, {"version": 0})["version"] + 1, is_pro=is_pro)
        if is_pro:
            self.ended.pop(user, None)
        await _publish(connection, value)
        self.truth[user] = value
        if not is_pro:
            self.ended.setdefault(user, time.monotonic())

    # --- What an administrator does ---------------------------------------------------------------------------------

    async def delete_stream(self, name: str) -> None:
        async with self.writer() as connection:
            with contextlib.suppress(NotFoundError):
                await connection.jetstream().delete_stream(name)

    async def make_streams(self) -> None:
        async with self.writer() as connection:
            for stream in (STATE, ENTITLEMENTS):
                await declare_stream(connection.jetstream(), stream, 1)

    async def delete_consumers(self) -> int:
        """How many there were."""
        async with self.writer() as connection:
            found = await connection.jetstream().consumers_info(STATE.name)
            for consumer in found:
                await connection.jetstream().delete_consumer(STATE.name, consumer.name)
            return len(found)

    async def purge(self, *users: str) -> None:
        """Entries go without a marker, and with them what is true of their users."""
        async with self.writer() as connection:
            for user in users:
                await connection.jetstream().purge_stream(STATE.name, subject=state_subject(state_key(user)))
                self.ended[user] = time.monotonic()
                del self.truth[user]


async def _publish(connection: Client, value: dict[str, Any]) -> None:
    await connection.jetstream().publish(state_subject(state_key(value["userId"])), json.dumps(value).encode(), timeout=60)


def _parts(users: Iterable[str], size: int) -> Iterator[list[str]]:
    found = list(users)
    return (found[at : at + size] for at in range(0, len(found), size))


async def until(condition: Callable[[], object], seconds: float = 60, what: str = "") -> None:
    """The event loop's own `eventually`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s: {what or condition}"
        await asyncio.sleep(0.02)


@contextlib.contextmanager
def state_scene() -> Iterator[Scene]:
    """A broker with the bucket, which is empty."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="atlas-state-") as home, Proxies({LINK: Link(LINK, free_port(), port)}) as proxies:
        scene = Scene(port, Path(home), proxies)
        scene.start()
        try:
            asyncio.run(scene.make_streams())
            yield scene
        finally:
            scene.kill()
