"""Whole stacks for tests, started the way a person starts them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import psutil

from atlas_localstack.cli.down import down
from atlas_localstack.servers.ports import NEVER_EPHEMERAL, is_free
from support import prepared

T = TypeVar("T")

WORKSPACE = Path(__file__).resolve().parents[2]
PORTS_PER_STACK = 6
UP_SECONDS = 220
# Variables of the caller's shell that would change what a stack does.
MEANINGFUL = (
    "STRIPE_",
    "BILLING_",
    "ENTITLEMENTS_",
    "PARKED_",
    "NEXTAUTH_",
    "RATE_LIMIT_",
    "ATLAS_",
    "DATABASE_",
    "INTERNAL_",
    "NATS_",
    "LOG_LEVEL",
    "DESK_",
    "OTEL_",
)
KEPT = ("ATLAS_REQUIRE", "ATLAS_TEST_SERVERS")


def free_port_base() -> int:
    """The first of six free ports in a row."""
    while True:
        base = random.choice(NEVER_EPHEMERAL[:-PORTS_PER_STACK])
        if all(is_free(base + offset) for offset in range(PORTS_PER_STACK)):
            return base


@dataclass
class Stack:
    """One ATLAS_HOME with its ports; running or not."""

    home: Path
    port_base: int
    environ: dict[str, str] = field(default_factory=dict)
    desk: bool = False
    """Whether its support desk is started."""

    def atlas(self, *arguments: str, timeout: float = UP_SECONDS) -> subprocess.CompletedProcess[str]:
        """Call `./atlas`; gives exit code and output."""
        return subprocess.run(
            self.command(*arguments), env=self.environment(), text=True, capture_output=True, timeout=timeout
        )

    def command(self, *arguments: str) -> list[str]:
        """The command line itself, for tests that need the process."""
        return [str(WORKSPACE / "atlas"), *arguments]

    def environment(self) -> dict[str, str]:
        """The shell's environment without anything that would change the stack, then this stack's own."""
        kept = {name: value for name, value in os.environ.items() if name in KEPT or not name.startswith(MEANINGFUL)}
        return {**kept, "ATLAS_HOME": str(self.home), **self.environ}

    def up(self, *arguments: str) -> dict[str, Any]:
        """Start it, detached; gives `stack.json`. Fails with what `up` said."""
        without = [] if self.desk else ["--no-desk"]
        done = self.atlas("up", "--detach", "--port-base", str(self.port_base), *without, *arguments)
        assert done.returncode == 0, f"./atlas up failed ({done.returncode}):\n{done.stdout}\n{done.stderr}"
        return self.json

    def down(self) -> None:
        """Stop it."""
        done = self.atlas("down")
        assert done.returncode == 0, f"./atlas down failed:\n{done.stdout}\n{done.stderr}"

    @property
    def json(self) -> dict[str, Any]:
        """`stack.json`, read now."""
        read: dict[str, Any] = json.loads((self.home / "stack.json").read_text())
        return read

    @property
    def ports(self) -> dict[str, int]:
        """Where the embedded servers listen, and each of several replicas by itself."""
        read: dict[str, int] = json.loads((self.home / "ports.json").read_text())
        return read

    def status(self) -> dict[str, Any]:
        """`./atlas status --json`."""
        read: dict[str, Any] = json.loads(self.atlas("status", "--json").stdout)
        return read

    def url(self, name: str) -> str:
        """Where a service, or the sandbox, answers."""
        stack = self.json
        return str((stack["services"].get(name) or stack[name])["url"])

    def pid(self, name: str) -> int:
        """The process id of a part, now."""
        stack = self.json
        return int((stack["services"].get(name) or stack[name])["pid"])

    def part(self, name: str) -> dict[str, Any]:
        """What the supervisor knows of one process now; of replicas and nodes too (`entitlements-2`, `nats-3`)."""
        state: dict[str, Any] = json.loads((self.home / "run" / "state.json").read_text())
        found: dict[str, Any] = state["parts"][name]
        return found

    def is_healthy(self) -> bool:
        """Whether the supervisor has everything running: what `./atlas status` says costs a process to ask."""
        with contextlib.suppress(OSError):
            state = json.loads((self.home / "run" / "state.json").read_text())
            return state["phase"] == "running" and all(part["health"] == "ok" for part in state["parts"].values())
        return False

    def processes(self) -> list[psutil.Process]:
        """Everything that runs for this stack, found by its home, its ports and their children."""
        marks = (str(self.home), *(f"--port {self.port_base + offset}" for offset in range(PORTS_PER_STACK)))
        found = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if any(mark in line for mark in marks) and process.status() != psutil.STATUS_ZOMBIE:
                    found[process.pid] = process
                    found.update({child.pid: child for child in process.children(recursive=True)})
        return [process for process in found.values() if process.pid != os.getpid()]


@contextlib.contextmanager
def new_stack(
    environ: Mapping[str, str] | None = None, *, from_nothing: bool = False, desk: bool = False
) -> Iterator[Stack]:
    """A stack of its own, not started; whatever runs of it in the end is stopped and its home removed.

    Its home has the database cluster that a first start makes, unless it is to start `from_nothing`. The support desk
    is a sixth of a start's processor time, so only a test of the `desk` has one.
    """
    home = Path(tempfile.mkdtemp(prefix="atlas-stack-"))
    home.chmod(0o755)  # as root, Postgres runs as `nobody` and has to get in
    stack = Stack(home, free_port_base(), dict(environ or {}), desk)
    if not from_nothing:
        prepared.lay_into(home)
    try:
        yield stack
    finally:
        _end(stack)
        shutil.rmtree(home, ignore_errors=True)


def _end(stack: Stack) -> None:
    """What `./atlas down` does, without a process for it."""
    with mock.patch.dict(os.environ, {"ATLAS_HOME": str(stack.home)}), contextlib.redirect_stdout(io.StringIO()):
        down()


@contextlib.contextmanager
def running_stack(
    environ: Mapping[str, str] | None = None, *arguments: str, from_nothing: bool = False, desk: bool = False
) -> Iterator[Stack]:
    """A healthy stack of its own: `stack.json` is the parsed file, `stack.url("checkout")` an address in it."""
    with new_stack(environ, from_nothing=from_nothing, desk=desk) as stack:
        stack.up(*arguments)
        yield stack


def eventually(condition: Callable[[], T], seconds: float = 45.0, what: str = "") -> T:
    """The condition's first true value; fails when there is none in time.

    Between two looks it rests as long as the last one took, at most a second: a command that is asked again and again
    would take a whole core from what it waits for.
    """
    begun = time.monotonic()
    deadline = begun + seconds
    while not (found := condition()):
        now = time.monotonic()
        assert now < deadline, f"did not happen within {seconds} s: {what or condition}"
        time.sleep(min(max(0.05, now - begun), 1.0))
        begun = time.monotonic()
    return found
