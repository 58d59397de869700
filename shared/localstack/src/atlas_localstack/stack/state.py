"""The state that the supervisor writes for the command line: a small file, replaced whenever something changes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from atlas_localstack.stack.home import Home
from atlas_operator.files import read_json, write_json

# Phases of a stack.
STARTING, RUNNING, STOPPING, STOPPED, FAILED = "starting", "running", "stopping", "stopped", "failed"
# Health of a part.
OK, DOWN = "ok", "down"
GIVEN_UP = "given up"
"""How the note of a part begins that dies again and again, and is not started any more."""


@dataclass
class PartState:
    """One part of the stack as the supervisor sees it. `note` says why it is not healthy."""

    health: str = STARTING
    pid: int | None = None
    restarts: int = 0
    note: str = ""
    role: str = ""
    """What it is at the moment, of those that may be one thing or another (primary, standby)."""


@dataclass
class StartFailure:
    """Why a stack did not start, what to do, and the last lines of the log of the part that failed."""

    reason: str
    remedy: str = ""
    log: list[str] = field(default_factory=list)


@dataclass
class State:
    """The whole stack at this moment. Times are seconds since the epoch."""

    phase: str = STARTING
    supervisor: int = 0
    port_base: int = 0
    began: float = 0.0
    healthy_after: float | None = None
    parts: dict[str, PartState] = field(default_factory=dict)
    failure: StartFailure | None = None

    def pids(self) -> dict[str, int | None]:
        """The process id of each part that runs."""
        return {name: part.pid for name, part in self.parts.items()}


def save(home: Home, state: State) -> None:
    """Replace the file."""
    write_json(home.state_file, asdict(state))


def load(home: Home) -> State | None:
    """The last state written, or None."""
    raw: Any = read_json(home.state_file)
    if not isinstance(raw, dict):
        return None
    failure, parts = raw.pop("failure", None), raw.pop("parts", {})
    return State(
        **raw,
        parts={name: PartState(**part) for name, part in parts.items()},
        failure=StartFailure(**failure) if failure else None,
    )
