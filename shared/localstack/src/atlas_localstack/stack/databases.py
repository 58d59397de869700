"""The embedded Postgres: one server, or a primary with a standby that takes its place when it is promoted.

A commit is answered once the standby has it too. While the standby is away, commits wait for it for
``PATIENCE_SECONDS``; then the primary goes on alone, and the standby can't be promoted until it has caught up.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable

from atlas_localstack.servers import binaries, database, standby
from atlas_localstack.servers.database import Cluster
from atlas_localstack.servers.errors import ServerError
from atlas_localstack.stack import logs, primary, roles
from atlas_localstack.stack.part import FRESH, Part
from atlas_localstack.stack.plan import Plan
from atlas_localstack.stack.topology import all_of

PATIENCE_SECONDS = 5.0
"""Longer than a standby takes to start again. With the 5 s after which a standby that hangs counts as away, and the 2 s
between two looks, shorter than the services' longest statement (15 s): a commit that is given up while it waits is on
the primary alone, and would be taken for one that the standby has."""
ASTRAY_SECONDS = 20.0
"""A standby that runs and has not found its primary for so long lacks a piece of the log: it is copied anew."""
CATCH_UP_SECONDS = 15.0
"""How long a promotion waits until the standby has everything."""
LOOK_SECONDS = 0.1
MOST_CONNECTIONS, ROOM_FOR_REPLICAS = 400, 3
"""Each replica of entitlements and of checkout has a pool of ten connections, and a few beside it. Without a standby, a
hundred connections are enough for so many replicas."""


class Databases:
    """Which server is the primary, and whether the standby has all that the primary has answered."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._home = plan, plan.home
        install = binaries.postgres()
        self._clusters = {name: plan.cluster(install, name) for name in all_of("postgres", plan.count("postgres"))}
        self._serving: int | None = None
        """The process that was found to work as the primary."""
        self._held: set[str] = set()
        self.in_sync = False
        self._owed: int | None = None
        """Bytes of the log that the standby must have on its disk before it may take over."""
        self._missed_since: float | None = None
        self._astray_since: float | None = None

    def parts(self) -> list[Part]:
        """One part for each server."""
        return [self._part(name, cluster) for name, cluster in self._clusters.items()]

    @property
    def primary(self) -> str:
        """The name of the server that takes writes."""
        return primary.name(self._home) if len(self._clusters) > 1 else "postgres"

    def _part(self, name: str, cluster: Cluster) -> Part:
        def start() -> subprocess.Popen[bytes]:
            if name in self._held or (name != self.primary and not standby.is_copy(cluster)):
                raise ServerError(f"{name} is no copy of the primary yet.", "")
            with logs.open_for_append(self._home.log(name)) as log:
                return database.start(cluster, log, self._options())

        async def ready(process: subprocess.Popen[bytes]) -> tuple[bool, str]:
            if not database.is_ready(cluster, process):
                return False, "not accepting connections yet"
            return await (self._serves(cluster, process) if name == self.primary else self._follows(cluster, process))

        return Part(
            name, start, ready, lambda: self._prepare(name), lambda: self._may_start(name), signal.SIGINT, 15.0,
            lambda: self._role(name),
        )  # fmt: skip

    def _options(self) -> dict[str, str]:
        topology = self._plan.topology
        if topology.standby:
            # The same whatever the number of replicas: a standby refuses to start with fewer than its primary had.
            return {**standby.REPLICATED, "max_connections": str(MOST_CONNECTIONS)}
        # A server that had a standby in an earlier run must not wait for it.
        alone = {"synchronous_standby_names": ""}
        more = {"max_connections": str(MOST_CONNECTIONS)} if topology.replicas > ROOM_FOR_REPLICAS else {}
        return {**alone, **more}

    def _role(self, name: str) -> str:
        if len(self._clusters) == 1:
            return ""
        if name == self.primary:
            return "database, primary"
        return "database, standby" if self.in_sync else "database, standby, catching up"

    async def _may_start(self, name: str) -> None:
        """A standby waits for the primary, of which it may have to be a copy; a server that is being replaced waits."""
        while name in self._held or (name != self.primary and self._serving is None):  # noqa: ASYNC110 - two causes
            await asyncio.sleep(LOOK_SECONDS)

    def _prepare(self, name: str) -> None:
        cluster = self._clusters[name]
        if name != self.primary:
            if not standby.is_copy(cluster):
                source, password = self._clusters[self.primary], self._plan.secrets.postgres[roles.REPLICATOR]
                standby.copy(cluster, source, roles.REPLICATOR, password)
            return
        _check(cluster)
        if not database.exists(cluster):
            database.create(cluster)
        if len(self._clusters) == 1:
            # From now on the former standby lacks what is written here.
            (self._home.cluster(primary.other(self._home)) / "standby.signal").unlink(missing_ok=True)

    async def _serves(self, cluster: Cluster, process: subprocess.Popen[bytes]) -> tuple[bool, str]:
        if self._serving != process.pid:
            self.in_sync, self._owed = False, None
            await asyncio.to_thread(self._provision, cluster)
            self._serving = process.pid
        if len(self._clusters) > 1:
            await self._keep_in_sync(cluster)
        return True, ""

    def _provision(self, cluster: Cluster) -> None:
        if standby.is_copy(cluster) and standby.is_standby(cluster):
            standby.promote(cluster)  # it was to be the primary when the supervisor died
        passwords = self._plan.secrets.postgres
        follower = roles.replicator(passwords[roles.REPLICATOR]) if len(self._clusters) > 1 else ""
        database.execute(cluster, follower + roles.provision(passwords))

    async def _keep_in_sync(self, cluster: Cluster) -> None:
        """Let commits wait for a standby that follows; for one that is away, at most ``PATIENCE_SECONDS``."""
        seen = await asyncio.to_thread(standby.following, cluster)
        if not seen.streaming:
            self._missed_since = self._missed_since or time.monotonic()
            if time.monotonic() - self._missed_since >= PATIENCE_SECONDS and (self.in_sync or self._owed is not None):
                self.in_sync, self._owed = False, None
                await asyncio.to_thread(standby.wait_for, cluster, commits=False)
            return
        self._missed_since = None
        if not seen.waited_for:
            await asyncio.to_thread(standby.wait_for, cluster, commits=True)
        elif self._owed is None:
            self._owed = seen.written
        elif seen.flushed >= self._owed:
            self.in_sync = True

    async def _follows(self, cluster: Cluster, process: subprocess.Popen[bytes]) -> tuple[bool, str]:
        if await asyncio.to_thread(standby.receives, cluster):
            self._astray_since = None
            return True, ""
        self._astray_since = self._astray_since or time.monotonic()
        if self._serving is not None and time.monotonic() - self._astray_since > ASTRAY_SECONDS:
            self._astray_since = None
            (cluster.data / "standby.signal").unlink(missing_ok=True)
            process.send_signal(signal.SIGINT)
        return False, "is not connected to the primary"

    async def _follows_now(self, cluster: Cluster) -> bool:
        """Whether a standby answers at this moment: what the supervisor saw of it may be seconds old."""
        try:
            return await asyncio.to_thread(standby.is_standby, cluster)
        except ServerError:
            return False

    async def promote(self, healthy: Callable[[str], bool], stop: Callable[[str], Awaitable[None]]) -> str:
        """Stop the primary and let the standby take its place; the former primary becomes a copy of the new one.

        Returns the new primary's name. Raises ServerError where something that was answered would be lost; then
        nothing has changed.
        """
        old, new = self.primary, primary.other(self._home)
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while not (healthy(new) and self.in_sync) and time.monotonic() < deadline:
            if healthy(old):
                with contextlib.suppress(ServerError):  # busy, or going down: it is asked again until the deadline
                    await self._keep_in_sync(self._clusters[old])
            await asyncio.sleep(LOOK_SECONDS)
        if not (healthy(new) and await self._follows_now(self._clusters[new])):
            raise ServerError("The standby is not ready, so it can't be promoted.", "./atlas status says why.")
        if not self.in_sync:
            raise ServerError(
                "The standby may lack what the primary has answered while it was away, so it is not promoted.",
                "It catches up by itself once both run: ./atlas status says when.",
            )
        self._held.add(old)
        try:
            await stop(old)
            self.in_sync, self._owed, self._serving = False, None, None
            primary.set_to(self._home, new)
            await asyncio.to_thread(standby.promote, self._clusters[new])
        finally:
            self._held.discard(old)
        return new


def _check(cluster: Cluster) -> None:
    """Raise ServerError if the folder has something else in it than a Postgres 16 cluster: it is left untouched."""
    if not cluster.data.exists():
        return
    version = cluster.data / "PG_VERSION"
    if not version.exists() or version.read_text().strip() != "16":
        raise ServerError(f"The database directory {cluster.data} is broken, or not of Postgres 16.", FRESH)
