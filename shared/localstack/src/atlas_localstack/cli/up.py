"""`./atlas up`: start everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.panel import Panel

from atlas_localstack.cli import view
from atlas_localstack.servers import prometheus
from atlas_localstack.stack import home as homes
from atlas_localstack.stack import remarks, state
from atlas_localstack.stack.home import Home
from atlas_localstack.stack.plan import OFFSETS
from atlas_localstack.stack.state import State
from atlas_localstack.stack.topology import START_OF_MORE_SECONDS, wrong
from atlas_operator.files import read_json
from atlas_operator.local import WORKSPACE, environment
from atlas_operator.terminal.console import NOTE_MARK, errors, fail, misunderstood, out, remark

DEFAULT_PORT_BASE = 8000
LOWEST_PORT, HIGHEST_PORT = 1024, 65535
POLL_SECONDS = 0.05
# The supervisor gives up by itself before; beyond that it is stuck.
PATIENCE_SECONDS = START_OF_MORE_SECONDS + 30.0
STOP_SECONDS = 60.0


Detach = Annotated[bool, typer.Option("--detach", "-d", help="Return as soon as everything is healthy.")]
PortBase = Annotated[
    int, typer.Option(help="The gateway's port; the others follow: ingest, checkout, entitlements, sandbox, desk.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Throw away all local data first.")]
Observe = Annotated[bool, typer.Option("--observe", help="Start Prometheus with the alerts, where installed.")]
Brokers = Annotated[int, typer.Option(help="Nodes of the broker: 1, or 3, of which any two go on.")]
Replicas = Annotated[int, typer.Option(help="Processes of each service, on one port.")]
Desk = Annotated[bool, typer.Option("--desk/--no-desk", help="Start the support desk.")]
Standby = Annotated[bool, typer.Option("--standby", help="A second Postgres, which ./atlas promote makes the primary.")]


def up(
    *,
    detach: Detach = False,
    port_base: PortBase = DEFAULT_PORT_BASE,
    fresh: Fresh = False,
    observe: Observe = False,
    brokers: Brokers = 1,
    replicas: Replicas = 1,
    standby: Standby = False,
    desk: Desk = True,
) -> None:
    """Start NATS, Postgres, the Stripe sandbox, the four services and the support desk."""
    home = homes.find(os.environ)
    given = environment(os.environ)
    highest = HIGHEST_PORT - max(OFFSETS.values())
    if not LOWEST_PORT <= port_base <= highest:
        misunderstood(
            f"--port-base {port_base} leaves no room for {len(OFFSETS)} ports.",
            f"Choose one from {LOWEST_PORT} to {highest}.",
        )
    for sentence in wrong(brokers, replicas):
        misunderstood(sentence)
    if homes.is_running(home):
        _already_running(home, fresh, port_base)
        return
    for sentence in remarks.remarks(given):
        remark(NOTE_MARK, f" {sentence}")
    if observe and not prometheus.is_installed():
        fail(prometheus.MISSING, prometheus.REMEDY)
    options = ["--fresh"] * fresh + ["--observe"] * observe + ["--standby"] * standby + ["--no-desk"] * (not desk)
    options += ["--brokers", str(brokers), "--replicas", str(replicas)]
    supervisor = _launch(home, given, port_base, options, attached=not detach)
    try:
        current = _wait_until_healthy(home, supervisor)
        _welcome(home, given, current)
        if not detach:
            _attend(home, supervisor)
    except KeyboardInterrupt:
        _stop(home, supervisor)


def _launch(
    home: Home, given: dict[str, str], port_base: int, options: list[str], *, attached: bool
) -> subprocess.Popen[bytes]:
    home.create()
    home.state_file.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "atlas_localstack.stack", "--home", str(home.path), "--port-base", str(port_base)]
    argv += options + (["--attached-to", str(os.getpid())] if attached else [])
    (home.path / "run").mkdir(exist_ok=True)
    with (home.path / "run" / "supervisor.log").open("wb") as log:
        # Its own session, so that Ctrl-C at the terminal reaches only this process, which then asks it to stop.
        return subprocess.Popen(
            argv, env=given, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=WORKSPACE, start_new_session=True
        )


def _wait_until_healthy(home: Home, supervisor: subprocess.Popen[bytes]) -> State:
    current = _watch_start(home, supervisor)
    if current.phase == state.RUNNING:
        return current
    supervisor.terminate()
    if current.failure:
        fail(current.failure.reason, current.failure.remedy, current.failure.log)
    log = (home.path / "run" / "supervisor.log").read_text(errors="replace").splitlines()[-20:]
    return fail("The stack did not start.", "The end of the supervisor's log:", log)


def _watch_start(home: Home, supervisor: subprocess.Popen[bytes]) -> State:
    """Show the start until the stack is healthy, has failed, or takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    current = State()
    with Live(view.starting(current), console=errors, transient=True, refresh_per_second=12) as live:
        while time.monotonic() < deadline:
            ended = supervisor.poll() is not None
            current = state.load(home) or current
            if current.parts:
                live.update(view.starting(current))
            if ended or current.phase == state.RUNNING:
                break
            time.sleep(POLL_SECONDS)
    return current


def _welcome(home: Home, given: dict[str, str], current: State) -> None:
    stack: Any = read_json(home.stack_file) or {}
    public = stack.get("nextauth_url", "")
    dev_sign_in = (
        not public.lower().startswith("https:")
        and given.get("ATLAS_DEV_SIGN_IN", "true").lower() in ("true", "1")
        # Development sign-in makes encrypted cookies; only the web app makes sessions in a database.
        and stack.get("auth", {}).get("strategy") == "jwt"
    )
    panel = view.welcome(public, "sandbox" in stack, dev_sign_in, current.port_base, _desk(stack))
    out.print(panel, soft_wrap=not isinstance(panel, Panel))
    if "prometheus" in stack:
        out.print(f"Prometheus, with the alerts: {stack['prometheus']['url']}/alerts")
    out.print(f"Healthy after {current.healthy_after:.1f} s.")


def _desk(stack: Mapping[str, Any]) -> str:
    """Where the support desk is opened: by its one-time link, or behind a proxy by its own address."""
    desk = stack.get("desk", {})
    return str(desk.get("sign_in_url") or desk.get("url", ""))


def _attend(home: Home, supervisor: subprocess.Popen[bytes]) -> None:
    """Show the live table until Ctrl-C, or until the stack is stopped from elsewhere."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    if not errors.is_terminal:
        errors.print("Ctrl-C stops everything.")
    current = state.load(home) or State()
    with Live(view.table(current), console=errors, transient=True, auto_refresh=False) as live:
        while supervisor.poll() is None:
            latest = state.load(home)
            if latest is not None and latest != current:
                current = latest
                live.update(view.table(current), refresh=True)
            time.sleep(POLL_SECONDS * 4)
    if current.failure:
        fail(current.failure.reason, current.failure.remedy, current.failure.log)
    out.print("Stopped.")


def _stop(home: Home, supervisor: subprocess.Popen[bytes]) -> None:
    errors.print("Stopping … (press Ctrl-C again to stop at once)")
    supervisor.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    while supervisor.poll() is None and time.monotonic() < deadline:
        try:
            supervisor.wait(1)
        except subprocess.TimeoutExpired:
            continue
        except KeyboardInterrupt:
            supervisor.terminate()
    if supervisor.poll() is None:
        supervisor.kill()
    home.stack_file.unlink(missing_ok=True)
    out.print("Stopped.")


def _already_running(home: Home, fresh: bool, port_base: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while homes.is_running(home) and time.monotonic() < deadline:
        current = state.load(home)
        if current is not None and current.phase in (state.RUNNING, state.STOPPING):
            break
        time.sleep(POLL_SECONDS)
    else:
        fail("Another ./atlas up was starting the stack and did not succeed.", "Try again.")
    if current.phase == state.STOPPING:
        fail("The stack is stopping.", "Try again in a moment.")
    if fresh:
        fail("The stack is running; its data is in use.", "Stop it first: ./atlas down")
    stack: Any = read_json(home.stack_file) or {}
    out.print(
        f"Already running: {stack.get('nextauth_url', '')}/pro (./atlas status tells more, ./atlas down stops it)."
    )
    if port_base not in (current.port_base, DEFAULT_PORT_BASE):
        out.print(f"It keeps its ports from {current.port_base}; for a second stack set ATLAS_HOME to another folder.")
