"""Keeps the parts of a stack running: starts them in order, restarts those that die, stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from typing import Any

from atlas_localstack.servers.errors import ServerError
from atlas_localstack.servers.process import tail
from atlas_localstack.stack import leftovers, logs, state
from atlas_localstack.stack.databases import Databases
from atlas_localstack.stack.description import describe, sign_in_link
from atlas_localstack.stack.part import FRESH, Part
from atlas_localstack.stack.parts import build
from atlas_localstack.stack.plan import MODULES, SANDBOX, Plan
from atlas_localstack.stack.promotion import Promotions
from atlas_localstack.stack.state import PartState, StartFailure, State
from atlas_localstack.stack.topology import kind_of
from atlas_operator.files import write_json

LOOK_SECONDS = 0.05
# Once a part is ready: pauses between looking whether it has died, and between asking whether it still works.
CALM_LOOK_SECONDS = 0.2
PROBE_SECONDS = 2.0
LOG_CHECK_SECONDS = 15.0
# Pauses before the restarts of a part that keeps dying, in seconds; after the last one it is given up.
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0)
# A part that was healthy for this long has recovered: its next failure counts as the first.
RECOVERED_SECONDS = 5.0
# While the stack is starting, a part that fails this often is given up.
START_ATTEMPTS = 2
EXIT_CONFIGURATION = 2
FENCE_SECONDS = 4.0
"""A primary that is replaced and does not stop in order within this time, because it hangs, is killed."""
SERVERS = ("nats", "postgres")
FAILURE_LOG_LINES = 20


class PartFailed(Exception):
    """A part cannot be started; `failure` says why."""

    def __init__(self, failure: StartFailure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class Supervisor:
    """Runs one stack. `state` has everything that the command line shows, and is saved at every change."""

    def __init__(self, plan: Plan, current: State) -> None:
        self._plan = plan
        self._patience = plan.topology.start_seconds
        self._home = plan.home
        self._databases = Databases(plan)
        self._parts = build(plan, self._databases)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ready = {name: asyncio.Event() for name in self._parts}
        self._stopping = asyncio.Event()
        self.state = current
        self.state.parts = {name: PartState() for name in plan.parts}

    def ask_to_stop(self) -> None:
        """Stop everything in order; a second call kills all parts at once."""
        if self._stopping.is_set():
            for process in self._processes.values():
                process.kill()
        self._stopping.set()

    async def run(self) -> None:
        """Run until asked to stop. Raises PartFailed when the stack does not become healthy."""
        for name in self._parts:
            logs.begin(self._home.log(name))
        watchers = [asyncio.create_task(self._watch(part), name=part.name) for part in self._parts.values()]
        promotions = Promotions(self._home, self._databases, self._is_healthy, self._fence, self._changed)
        housekeeping = [
            asyncio.create_task(work) for work in (self._limit_logs(), self._follow_link(), promotions.follow())
        ]
        try:
            if await self._become_healthy(watchers):
                self.state.phase = state.RUNNING
                self.state.healthy_after = round(time.time() - self.state.began, 2)
                self._changed()
                await self._wait_for_stop(watchers)
        finally:
            for task in (*watchers, *housekeeping):
                task.cancel()
            await asyncio.gather(*watchers, *housekeeping, return_exceptions=True)
            await self._stop_all()

    async def _become_healthy(self, watchers: list[asyncio.Task[None]]) -> bool:
        """True when all parts are ready, False when asked to stop before."""
        all_ready = asyncio.gather(*(event.wait() for event in self._ready.values()))
        stop = asyncio.create_task(self._stopping.wait())
        waiting: set[asyncio.Future[Any]] = {all_ready, stop, *watchers}
        done, _ = await asyncio.wait(waiting, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        for task in watchers:
            if task in done:
                task.result()  # raises PartFailed
        if all_ready.done():
            return True
        all_ready.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await all_ready
        if self._stopping.is_set():
            return False
        raise PartFailed(self._too_slow())

    def _too_slow(self) -> StartFailure:
        late = [name for name, event in self._ready.items() if not event.is_set()]
        notes = ", ".join(f"{name} ({self.state.parts[name].note or 'starting'})" for name in late)
        return StartFailure(
            f"Not ready after {self._patience:.0f} s: {notes}.",
            f"./atlas logs {late[0]} shows more.",
            tail(self._home.log(late[0]), FAILURE_LOG_LINES),
        )

    async def _wait_for_stop(self, watchers: list[asyncio.Task[None]]) -> None:
        """Wait until asked to stop. When a part is given up, its watcher ends; the others go on. `status` shows it."""
        stop = asyncio.create_task(self._stopping.wait())
        pending: set[asyncio.Task[Any]] = {stop, *watchers}
        while not stop.done():
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is not None and not isinstance(error, PartFailed):
                    raise error

    async def _watch(self, part: Part) -> None:
        """Start a part, and start it again whenever it dies, until it is given up."""
        await self._wait_for_servers(part)
        attempt = 0
        while True:
            healthy_seconds = await self._live(part)
            attempt = 0 if healthy_seconds >= RECOVERED_SECONDS else attempt
            self._give_up_if_hopeless(part, attempt)
            pause = PAUSES[attempt]
            attempt += 1
            mine = self.state.parts[part.name]
            mine.note += f"; restart in {pause} s"
            self._changed()
            await asyncio.sleep(pause)
            mine.restarts += 1

    async def _wait_for_servers(self, part: Part) -> None:
        if kind_of(part.name) in MODULES and part.name != SANDBOX:
            nodes = [name for name in self._parts if kind_of(name) == "nats"]
            await asyncio.gather(*(self._ready[server].wait() for server in (*nodes, self._databases.primary)))

    def _give_up_if_hopeless(self, part: Part, attempt: int) -> None:
        mine, process = self.state.parts[part.name], self._processes.get(part.name)
        code = process.returncode if process else None
        log = tail(self._home.log(part.name), FAILURE_LOG_LINES)
        if self.state.phase == state.STARTING and (attempt + 1 >= START_ATTEMPTS or code == EXIT_CONFIGURATION):
            remedy = FRESH if kind_of(part.name) in SERVERS else "The end of its log:"
            raise PartFailed(StartFailure(f"{part.name} does not start: {mine.note}.", remedy, log))
        if attempt >= len(PAUSES) or code == EXIT_CONFIGURATION:
            mine.note = f"{state.GIVEN_UP} after {mine.restarts} restarts: {mine.note}; see ./atlas logs {part.name}"
            self._changed()
            raise PartFailed(StartFailure(f"{part.name}: {mine.note}", "", log))

    async def _live(self, part: Part) -> float:
        """Start a part and wait until it dies. Returns for how many seconds it was healthy."""
        mine = self.state.parts[part.name]
        await part.wait()
        mine.health, mine.note = state.STARTING, "starting"
        try:
            await asyncio.to_thread(part.prepare)
            process = part.start()
        except ServerError as error:
            if self.state.phase == state.STARTING:
                raise PartFailed(StartFailure(error.message, error.remedy, error.log)) from error
            mine.health, mine.note = state.DOWN, error.message
            return 0.0
        self._processes[part.name] = process
        mine.pid = process.pid
        leftovers.remember(self._home, self.state.pids().values())
        self._changed()
        try:
            return await self._attend(part, process)
        finally:
            if process.poll() is not None:
                mine.pid = None

    async def _attend(self, part: Part, process: subprocess.Popen[bytes]) -> float:
        mine = self.state.parts[part.name]
        healthy_since, next_probe = None, 0.0
        while process.poll() is None:
            if time.monotonic() >= next_probe:
                ready, why = await self._ask(part, process)
                self._note_health(part, ready, why)
                if ready:
                    healthy_since = healthy_since or time.monotonic()
                    self._ready[part.name].set()
                next_probe = time.monotonic() + (PROBE_SECONDS if ready else LOOK_SECONDS)
            await asyncio.sleep(CALM_LOOK_SECONDS if mine.health == state.OK else LOOK_SECONDS)
        code = process.returncode
        mine.health = state.DOWN
        mine.note = f"ended by signal {-code}" if code < 0 else f"exited with code {code}"
        return time.monotonic() - healthy_since if healthy_since else 0.0

    async def _ask(self, part: Part, process: subprocess.Popen[bytes]) -> tuple[bool, str]:
        try:
            return await part.ready(process)
        except ServerError as error:
            if self.state.phase == state.STARTING:
                raise PartFailed(StartFailure(error.message, error.remedy, error.log)) from error
            return False, error.message

    def _note_health(self, part: Part, ready: bool, why: str) -> None:
        mine = self.state.parts[part.name]
        before = (mine.health, mine.note, mine.role)
        mine.role = part.role()
        if ready:
            mine.health, mine.note = state.OK, ""
        else:
            # A part that was healthy and doesn't answer is down; before that it is still starting.
            mine.health = state.DOWN if mine.health in (state.OK, state.DOWN) else state.STARTING
            mine.note = why
        if (mine.health, mine.note, mine.role) != before:
            self._changed()

    def _changed(self) -> None:
        state.save(self._home, self.state)
        if self.state.phase in (state.STARTING, state.RUNNING):
            write_json(self._home.stack_file, describe(self._plan, self.state.pids()))

    async def _limit_logs(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_SECONDS)
            for name in self._parts:
                logs.limit(self._home.log(name))

    async def _follow_link(self) -> None:
        """Tell each new link of the support desk in `stack.json`: the one before it is used up."""
        told = None
        while True:
            link = sign_in_link(self._home)
            if link != told:
                told = link
                self._changed()
            await asyncio.sleep(CALM_LOOK_SECONDS)

    async def _stop_all(self) -> None:
        """Services first, so that they can finish what they began; then the sandbox, the broker, the database."""
        if self.state.phase != state.FAILED:
            self.state.phase = state.STOPPING
        state.save(self._home, self.state)
        servers = (SANDBOX, *SERVERS)
        programs = [name for name in self._processes if kind_of(name) not in servers]
        kinds = [[name for name in self._processes if kind_of(name) == kind] for kind in servers]
        for group in (programs, *kinds):
            await asyncio.gather(*(self._stop(self._parts[name]) for name in group))
        self._home.processes_file.unlink(missing_ok=True)
        self._home.stack_file.unlink(missing_ok=True)
        self._home.desk_link_file.unlink(missing_ok=True)

    def _is_healthy(self, name: str) -> bool:
        return self.state.parts[name].health == state.OK

    async def _fence(self, name: str) -> None:
        """Stop a server whose place another one takes, with everything that it has started."""
        process = self._processes[name]
        below = leftovers.children(process.pid)
        await self._end(process, self._parts[name], FENCE_SECONDS)
        leftovers.kill(below)

    async def _end(self, process: subprocess.Popen[bytes], part: Part, grace_seconds: float) -> None:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(part.stop_signal)
        try:
            await asyncio.to_thread(process.wait, grace_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    async def _stop(self, part: Part) -> None:
        await self._end(self._processes[part.name], part, part.grace_seconds)
        mine = self.state.parts[part.name]
        mine.health, mine.pid, mine.note = state.DOWN, None, ""
        state.save(self._home, self.state)
