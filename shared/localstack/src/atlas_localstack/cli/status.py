"""`./atlas status`: what runs, and how healthy it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from atlas_localstack.cli import looking, view
from atlas_localstack.stack import home as homes
from atlas_localstack.stack import primary, state
from atlas_localstack.stack.home import Home
from atlas_localstack.stack.plan import PARTS, PROMETHEUS, SERVICES
from atlas_localstack.stack.state import PartState, State
from atlas_localstack.stack.topology import all_of
from atlas_operator.doctor.causes import BY_ITSELF, Cause
from atlas_operator.files import read_json
from atlas_operator.held import delivery_of, held_back
from atlas_operator.local import refuse_damaged
from atlas_operator.terminal.console import NOTE_MARK, WRONG_MARK, say, say_json

EXIT_UNHEALTHY = 1
KEY_REFUSED = "Stripe refuses the key (STRIPE_SECRET_KEY); nobody can buy, and pulls fail."


def status(*, as_json: Annotated[bool, typer.Option("--json", help="stack.json, with health added.")] = False) -> None:
    """Show each part's health. Exit code 0 when everything is healthy, else 1."""
    home = homes.find(os.environ)
    running = homes.is_running(home)
    for file in (home.state_file, home.stack_file) if running else ():
        refuse_damaged(file)
    current = (state.load(home) or State()) if running else State(phase=state.STOPPED)
    causes: list[Cause] = []
    if running and current.phase == state.RUNNING:
        current, causes = looking.look(current, read_json(home.stack_file) or {})
    healthy = running and bool(current.parts) and all(part.health == state.OK for part in current.parts.values())
    if as_json:
        say_json(describe(home, current, running=running))
    elif not running:
        for sentence in _stopped(home).splitlines():
            say(sentence)
    else:
        _say_causes(causes, current)
        if not causes and looking.stripe_refuses(read_json(home.stack_file) or {}):
            say(WRONG_MARK, " ", (KEY_REFUSED, "bold"))
            say("    → Was it rolled? ./atlas down, then ./atlas up with a valid one.")
            say()
        view.show(current)
        _say_what_is_held(home)
    raise typer.Exit(0 if healthy else EXIT_UNHEALTHY)


def describe(home: Home, current: State, *, running: bool) -> dict[str, Any]:
    """`stack.json` with `health` and `restarts` in each part."""
    stack: dict[str, Any] = (read_json(home.stack_file) if running else None) or {
        "services": {name: {"url": None, "pid": None} for name in SERVICES}
    }
    for name in (*PARTS, *({PROMETHEUS} & set(current.parts))):
        part = current.parts.get(name, PartState(health=state.DOWN))
        holder = stack["services"] if name in SERVICES else stack
        if name != "sandbox" or "sandbox" in stack:
            holder.setdefault(name, {"pid": None}).update(_health(part))
    _of_each(home, stack, current)
    if running and (delivery := delivery_of(stack.get("sandbox", {}).get("url"))):
        stack["sandbox"]["delivery"] = delivery
    return {**stack, "phase": current.phase}


def _of_each(home: Home, stack: dict[str, Any], current: State) -> None:
    """Health of each replica, node and database server, where there may be more than one of a kind."""
    groups = {name: service["replicas"] for name, service in stack["services"].items() if "replicas" in service}
    groups |= {"nats": stack["nats"]["nodes"]} if "nodes" in stack.get("nats", {}) else {}
    for kind, entries in groups.items():
        for name, entry in zip(all_of(kind, len(entries)), entries, strict=True):
            entry.update(_health(current.parts[name]))
    if "standby" in stack.get("postgres", {}):
        stack["postgres"].update(_health(current.parts[primary.name(home)]))
        stack["postgres"]["standby"].update(_health(current.parts[primary.other(home)]))


def _say_causes(causes: Sequence[Cause], current: State) -> None:
    """What is wrong by itself first, then who waits for it, in a line each."""
    for cause in causes:
        say(WRONG_MARK, " ", (cause.sentence, "bold"))
        say(f"    → {looking.remedy(cause, current)}")
    for cause in causes:
        for waiting in cause.waiting:
            say(f"  {waiting.sentence} → {BY_ITSELF}")
    if not causes and looking.is_stopped(current.supervisor):
        say(NOTE_MARK, " The supervisor is stopped: what dies is not started again.")
        say(f"    → kill -CONT {current.supervisor} lets it go on.")
    if causes:
        say()


def _say_what_is_held(home: Home) -> None:
    url = (read_json(home.stack_file) or {}).get("sandbox", {}).get("url")
    if sentence := held_back(delivery_of(url)):
        say(NOTE_MARK, f" {sentence}. Choose Deliver in its control room: {url}/")


def _health(part: PartState) -> dict[str, Any]:
    note = {"note": part.note} if part.note else {}
    return {"pid": part.pid, "health": part.health, "restarts": part.restarts, **note}


def _stopped(home: Home) -> str:
    last = state.load(home)
    if last is not None and last.failure:
        return f"Not running. The last start failed: {last.failure.reason}\n./atlas up starts it."
    return "Not running. ./atlas up starts it."
