"""`./atlas pull`: fetch Stripe events whose webhooks never came."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

import typer

from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_operator.client import Operator
from atlas_operator.errors import CallFailed
from atlas_operator.target import find
from atlas_operator.terminal.afterwards import compared
from atlas_operator.terminal.console import fail, say, say_json
from atlas_operator.terminal.progress import bar

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
# Stripe keeps events for so long.
LONGEST = 30 * 86_400
# The service's words for what became of an event, and ours.
WORDS = {
    "accepted": "new",
    "duplicate": "known already",
    "ignored": "not for us",
    "parked": "parked (./atlas parked list)",
    "found": "supported",
}


def pull(
    *,
    since: Annotated[
        str | None, typer.Option(help="How far back, such as 90m, 72h or 7d; else from where it stopped.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read and count.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result for programs.")] = False,
) -> None:
    """Read Stripe's events since the last pull, so that webhooks which never arrived take effect."""
    body: dict[str, Any] = {"dryRun": dry_run, **({"sinceSeconds": seconds(since)} if since is not None else {})}
    operator = Operator(find())
    with compared(operator, quiet=as_json or dry_run) as outcome:
        done = _run(operator, body)
        outcome.news = bool(done.get("counts", {}).get("accepted"))
        if as_json:
            say_json(done)
        else:
            _show(done, dry_run=dry_run)


def _show(done: dict[str, Any], *, dry_run: bool) -> None:
    counts = ", ".join(f"{count} {WORDS.get(name, name)}" for name, count in done.get("counts", {}).items())
    say(f"{'Nothing was changed. ' if dry_run else ''}Events: {counts or 'none'}.")
    if done.get("cursor"):
        say(f"Everything until {done['cursor']} has been read.")


def _run(operator: Operator, body: dict[str, Any]) -> dict[str, Any]:
    start = end = 0
    with bar("Reading Stripe's events (seconds of history)") as step:
        for line in operator.lines(INGEST_SERVICE, "/operator/pull", body):
            match line.get("stage"):
                case "started":
                    start, end = _epoch(line["since"]), _epoch(line["until"])
                    step(0, end - start)
                case "window":
                    step(_epoch(line["to"]) - start, end - start)
                case "done":
                    return {name: value for name, value in line.items() if name != "stage"}
    raise CallFailed("The answer was cut off; is webhook-ingest still running? ./atlas logs webhook-ingest")


def _epoch(instant: str) -> int:
    return int(datetime.fromisoformat(instant).timestamp())


def seconds(duration: str) -> int:
    """A duration such as 72h in seconds."""
    match = re.fullmatch(r"([0-9]{1,9})\s*([smhd])", duration.strip())
    if not match:
        fail(f"--since {duration} is no duration.", "Write it as 90m, 72h or 7d.", code=2)
    length = int(match[1]) * UNITS[match[2]]
    if length == 0:
        fail(f"--since {duration} looks back no time at all.", "Write how far, such as 90m, 72h or 7d.", code=2)
    if length > LONGEST:
        fail(f"--since {duration} is too far back.", "Stripe keeps events for 30 days: at most 30d.", code=2)
    return length
