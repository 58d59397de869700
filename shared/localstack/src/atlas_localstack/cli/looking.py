"""What `./atlas status` finds out by itself: the supervisor's word is two seconds old, and older if it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import psutil

from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_localstack.stack import state
from atlas_localstack.stack.plan import DESK, PROMETHEUS, SANDBOX
from atlas_localstack.stack.state import PartState, State
from atlas_localstack.stack.topology import all_of, kind_of
from atlas_operator.client import Operator
from atlas_operator.doctor import causes, pulse
from atlas_operator.doctor.causes import NATS, POSTGRES, Cause
from atlas_operator.doctor.pulse import Pulse
from atlas_operator.errors import CallFailed, NoTarget
from atlas_operator.target import find

KEY_REFUSED = "stripe_key_refused"
Asked = dict[str, Callable[[], Pulse]]
PRIMARY = "database, primary"
ONE_OF = ", one of"


def look(current: State, stack: Mapping[str, Any]) -> tuple[State, list[Cause]]:
    """The state with every part as it is now, and the causes of what is wrong. ``stack``: `stack.json`."""
    asked = {part: ask for part, ask in _asked(stack).items() if part in current.parts}
    pulses = pulse.take(asked)
    parts = {name: _now(part, pulses.get(name)) for name, part in current.parts.items()}
    seen = {name: _pulse(part, pulses.get(name)) for name, part in parts.items()}
    return replace(current, parts=parts), causes.find(by_kind(seen, parts))


def by_kind(seen: Mapping[str, Pulse], parts: Mapping[str, PartState]) -> dict[str, Pulse]:
    """What is wrong with each kind of process. Of several nodes, replicas or database servers one that is away makes
    nobody wait while the others do its work: it stands there under a name of its own.
    """
    found: dict[str, Pulse] = {}
    for kind in dict.fromkeys(map(kind_of, seen)):
        names = [name for name in seen if kind_of(name) == kind]
        wrong = [name for name in names if seen[name].wrong]
        needed = [name for name in names if parts[name].role.startswith(PRIMARY)] or names
        enough = sum(name not in wrong for name in needed) > (len(names) // 2 if kind == NATS else 0)
        if len(names) == 1 or not enough:
            found[kind] = seen[wrong[0] if wrong else names[0]]
        else:
            found |= {f"{name}{ONE_OF} {len(names)}": seen[name] for name in wrong}
    return found


def remedy(cause: Cause, current: State) -> str:
    """What to do about it here: why it is so, and who starts it again."""
    name = cause.part.partition(ONE_OF)[0]
    part = current.parts[name]
    if is_stopped(current.supervisor):
        return f"The supervisor is stopped too, and starts nothing again: kill -CONT {current.supervisor}"
    if part.pid and is_stopped(part.pid):
        return f"Its process is stopped: kill -CONT {part.pid} lets it go on."
    if part.note.startswith(state.GIVEN_UP):
        return f"./atlas logs {name} says why it ends; ./atlas down, then ./atlas up starts all again."
    if cause.pulse.failing:
        return f"./atlas logs {name} says why."
    if cause.pulse.silent:
        return f"./atlas logs {name} may say why; kill -9 {part.pid} has it started anew."
    return f"It is started again by itself; ./atlas logs {name} says why it ended."


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
    # One of several replicas can't be asked at the address that they share, nor can one of two database servers.
    alone = {name: told for name, told in stack.get("services", {}).items() if len(told.get("replicas", ())) < 2}
    asked: Asked = {name: _service(told["url"]) for name, told in {**alone, DESK: stack.get(DESK)}.items() if told}
    for name, path in ((SANDBOX, "/healthz"), (PROMETHEUS, "/-/ready")):
        if name in stack:
            asked[name] = _service(stack[name]["url"], path)
    if NATS in stack:
        nodes = stack[NATS].get("nodes") or [stack[NATS]]
        for name, node in zip(all_of(NATS, len(nodes)), nodes, strict=True):
            asked[name] = partial(pulse.broker, node["url"])
    databases = stack.get(POSTGRES, {})
    if databases.get("databases") and "standby" not in databases:
        asked[POSTGRES] = lambda: pulse.database(next(iter(databases["databases"].values())))
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
