"""What `./atlas status` finds out by itself: the supervisor's word is two seconds old, and older if it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import psutil

from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_localstack.stack import state
from atlas_localstack.stack.plan import DESK, PROMETHEUS, SANDBOX, SERVICES
from atlas_localstack.stack.state import PartState, State
from atlas_operator.client import Operator
from atlas_operator.doctor import causes, pulse
from atlas_operator.doctor.causes import NATS, POSTGRES, Cause
from atlas_operator.doctor.pulse import Pulse
from atlas_operator.errors import CallFailed, NoTarget
from atlas_operator.target import find

KEY_REFUSED = "stripe_key_refused"
Asked = dict[str, Callable[[], Pulse]]


def look(current: State, stack: Mapping[str, Any]) -> tuple[State, list[Cause]]:
    """The state with every part as it is now, and the causes of what is wrong. ``stack``: `stack.json`."""
    asked = {part: ask for part, ask in _asked(stack).items() if part in current.parts}
    pulses = {part: found for part, found in pulse.take(asked).items() if found.wrong or part not in _several(stack)}
    parts = {name: _now(part, pulses.get(name)) for name, part in current.parts.items()}
    others_answer = asked.keys() - pulses.keys() - {POSTGRES}  # a standby that answers serves nobody
    seen = {
        name: _pulse(part, pulses.get(name))
        for name, part in parts.items()
        if name not in others_answer or part.health == state.OK
    }
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


def stripe_refuses(stack: Mapping[str, Any]) -> bool:
    """Whether the last pull failed because Stripe refuses the key; the sandbox's own key is never wrong."""
    if SANDBOX in stack:
        return False
    try:
        told = Operator(find(), pulse.PATIENCE_SECONDS).get(INGEST_SERVICE, "/operator/pull")
        return bool(told["failed"] and told["failed"]["reason"] == KEY_REFUSED)
    except (CallFailed, NoTarget, KeyError, TypeError):
        return False


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


def _several(stack: Mapping[str, Any]) -> set[str]:
    """Parts of which there is more than one behind an address: that one answers doesn't say that the first does."""
    several = {name for name, told in stack.get("services", {}).items() if len(told.get("replicas", ())) > 1}
    several |= {NATS} if len(stack.get(NATS, {}).get("nodes", ())) > 1 else set()
    return several | ({POSTGRES} if "standby" in stack.get(POSTGRES, {}) else set())


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
