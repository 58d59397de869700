"""Shows the stack as a table, and after the start the addresses and the first steps."""

from __future__ import annotations

import time

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from atlas_localstack.servers.ports import LOOPBACK
from atlas_localstack.stack import state
from atlas_localstack.stack.plan import OFFSETS, SANDBOX
from atlas_localstack.stack.state import State
from atlas_localstack.stack.topology import kind_of
from atlas_operator.terminal import table as tables
from atlas_operator.terminal.console import BAD, GOOD, NOTE, columns, out
from atlas_operator.terminal.table import Cell

FRAME, LABEL = 4, 15
STYLES = {state.OK: GOOD, state.STARTING: NOTE, state.DOWN: BAD}
ROLES = {
    "nats": "broker (JetStream)",
    "postgres": "database",
    "sandbox": "stands in for Stripe",
    "account-gateway": "pages and public API",
    "webhook-ingest": "Stripe's webhooks come in",
    "checkout": "talks to Stripe",
    "entitlements": "ledger and verdicts",
    "desk": "for those who answer buyers",
    "prometheus": "watches, with the alerts",
}


def table(current: State) -> Table:
    """Each part with its health."""
    grid = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    grid.add_column("", no_wrap=True)
    grid.add_column("", no_wrap=True)
    grid.add_column("port", justify="right", no_wrap=True, min_width=5)
    grid.add_column("pid", justify="right", no_wrap=True, min_width=5)
    grid.add_column("restarts", justify="right", no_wrap=True, min_width=8)
    grid.add_column("", ratio=1, no_wrap=True, overflow="ellipsis")
    for name, part in current.parts.items():
        style = STYLES.get(part.health, "")
        grid.add_row(
            Text(name, style="bold"),
            Text.assemble(("●", style), f" {part.health}"),
            _port(current, name),
            str(part.pid or ""),
            str(part.restarts or ""),
            part.note or part.role or ROLES[kind_of(name)],
        )
    return grid


def _port(current: State, name: str) -> str:
    """A service's replicas share its port."""
    return str(current.port_base + OFFSETS[kind_of(name)]) if kind_of(name) in OFFSETS else ""


def show(current: State) -> None:
    """Each part with its health, for `./atlas status`; nothing is cut."""
    rows: list[list[Cell]] = [
        [
            (name, "bold"),
            (f"● {part.health}", STYLES.get(part.health, "")),
            _port(current, name),
            str(part.pid or ""),
            str(part.restarts),
            part.note or part.role or ROLES[kind_of(name)],
        ]
        for name, part in current.parts.items()
    ]
    tables.show(("part", "health", "port", "pid", "restarts", "what"), rows)


def starting(current: State) -> RenderableType:
    """What is shown during the start: a spinner above the table."""
    seconds = max(0.0, time.time() - current.began) if current.began else 0.0
    return Group(Spinner("dots", Text(f"Starting … {seconds:.1f} s")), table(current))


def welcome(public_url: str, sandbox: bool, dev_sign_in: bool, port_base: int, desk: str = "") -> Group | Panel:
    """The addresses, and what to do first: in a frame, where each address fits into it in one piece."""
    lines = [f"[bold]Product[/]        {public_url}/pro", f"[bold]Account[/]        {public_url}/account"]
    if sandbox:
        lines.append(f"[bold]Stripe sandbox[/] http://{LOOPBACK}:{port_base + OFFSETS[SANDBOX]}/")
    if desk:
        lines.append(f"[bold]Support desk[/]   {desk}")
    if dev_sign_in:
        lines += [
            "",
            f"First: open [bold]{public_url}/dev/sign-in[/], sign in as anybody, then [bold]Upgrade to Pro[/].",
        ]
    if sandbox:
        lines.append("Pay with card 4242 4242 4242 4242, any future date, any CVC, and watch Pro switch on.")
    lines += ["", "./atlas status · ./atlas logs SERVICE · ./atlas explain USER · ./atlas down"]
    text, title = Text.from_markup("\n".join(lines)), "Atlas billing is up"
    if not out.is_terminal or max(map(len, text.plain.split())) > columns(out) - FRAME - LABEL:
        return Group(Text(title), text)
    return Panel(text, title=title, title_align="left", border_style="green")
