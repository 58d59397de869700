"""What `./atlas status` finds out by itself: the supervisor's word is two seconds old, and older if it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import psutil

from atlas_localstack.stack import state
from atlas_localstack.stack.plan import DESK, PROMETHEUS, SANDBOX, SERVICES
from atlas_localstack.stack.state import PartState, State
from atlas_operator.doctor import causes, pulse
from atlas_operator.doctor.causes import NATS, POSTGRES, Cause
from atlas_operator.doctor.pulse import Pulse

Asked = dict[str, Callable[[], Pulse]]


def look(current: State, stack: Mapping[str, Any]) -> tuple[State, list[Cause]]:
    """The state with every part as it is now, and the causes of what is wrong. ``stack``: `stack.json`."""
    asked = {part: ask for part, ask in _asked(stack).items() if part in current.parts}
    pulses = pulse.take(asked)
    parts = {name: _now(part, pulses.get(name)) for name, part in current.parts.items()}
    seen = {name: _pulse(part, pulses.get(name)) for name, part in parts.items()}
    return replace(current, parts=parts), causes.find(seen)


def remedy(cause: Cause, current: State) -> str:
    """What to do about it here: why it is so, and who starts it again."""
    part = current.parts[cause.part]
    if is_stopped(current.supervisor):
        return f"The supervisor is stopped too, and starts nothing again: kill -CONT {current.supervisor}"
    if part.pid and is_stopped(part.pid):
        return f"Its process is stopped: kill -CONT {part.pid} lets it go on."
    if part.note.startswith(state.GIVEN_UP):
        return f"./atlas logs {cause.part} says why it ends; ./atlas down, then ./atlas up starts all again."
    if cause.pulse.failing:
        return f"./atlas logs {cause.part} says why."
    if cause.pulse.silent:
        return f"./atlas logs {cause.part} may say why; kill -9 {part.pid} has it started anew."
    return f"It is started again by itself; ./atlas logs {cause.part} says why it ended."


def is_stopped(pid: int) -> bool:
    """Whether somebody has stopped the process (SIGSTOP, Ctrl-Z)."""
    try:
        return bool(pid) and psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def _asked(stack: Mapping[str, Any]) -> Asked:
    services = {**{name: stack.get("services", {}).get(name) for name in SERVICES}, DESK: stack.get(DESK)}
    asked: Asked = {name: _service(told["url"]) for name, told in services.items() if told}
    for name, path in ((SANDBOX, "/healthz"), (PROMETHEUS, "/-/ready")):
        if name in stack:
            asked[name] = _service(stack[name]["url"], path)
    if NATS in stack:
        asked[NATS] = lambda: pulse.broker(stack[NATS]["url"])
    if databases := stack.get(POSTGRES, {}).get("databases"):
        asked[POSTGRES] = lambda: pulse.database(next(iter(databases.values())))
    return asked


def _service(url: str, path: str = "/readyz") -> Callable[[], Pulse]:
    return lambda: pulse.service(url, path=path)


def _now(part: PartState, found: Pulse | None) -> PartState:
    """The supervisor's word, unless the part itself says otherwise now."""
    if part.health == state.OK and found and found.wrong:
        return replace(part, health=state.DOWN, note=found.wrong)
    if part.health == state.DOWN and part.pid and found and not found.wrong:
        return replace(part, health=state.OK, note="")
    return part


def _pulse(part: PartState, found: Pulse | None) -> Pulse:
    if part.health == state.OK:
        return pulse.WELL
    if part.health == state.STARTING:
        return Pulse(causes.STARTING, live=False)
    return found if found and found.wrong else Pulse(part.note or part.health, live=False)
