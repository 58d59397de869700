"""`./atlas backfill`: read every completed checkout session of the account, whatever its age."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

import typer

from atlas_contracts.internal_api import CHECKOUT_SERVICE
from atlas_contracts.model import iso_utc
from atlas_operator.client import Operator
from atlas_operator.errors import CallFailed
from atlas_operator.target import find
from atlas_operator.terminal.afterwards import compared
from atlas_operator.terminal.console import misunderstood, say, say_json
from atlas_operator.terminal.progress import bar
from atlas_operator.terminal.words import counted

TITLE = "Reading checkout sessions at Stripe"
AGAIN = "What was read is kept: call ./atlas backfill again to go on from there."
EXAMPLES = 5
# The service's words for why a session may not grant, and ours. A word that isn't here is shown as it is.
WORDS = {
    "no_user_in_metadata": "name no user in their metadata",
    "other_product": "are of another product",
    "not_a_one_time_payment": "are no one-time payments",
    "made_by_a_payment_link": "were made by a payment link",
    "other_livemode": "are of the other mode (test or live)",
    "other_user_than_recorded": "name another user than they were made for",
    "other_currency_than_recorded": "are in another currency than they were made for",
    "other_amount_than_recorded": "are of another amount than they were made for",
    "unknown_session": "were not made by this system (BILLING_REQUIRE_KNOWN_SESSION)",
    "other_currency": "are in another currency (BILLING_CURRENCY)",
    "no_amount": "have no amount",
    "unusable_user_id": "name somebody by what is no user id",
    "contradicting_user": "name two users",
    "malformed_object": "can't be read",
    "forgotten": "are of users who were forgotten",
}

Row = dict[str, Any]


def backfill(
    *,
    since: Annotated[
        str | None,
        typer.Option(help="Only sessions made since: a UTC day (2026-03-01) or an instant (2026-03-01T12:00:00Z)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read and count.")] = False,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin anew, whatever an earlier call did.")] = False,
    rate: Annotated[float | None, typer.Option(help="Requests per second at Stripe.", min=0.1, max=80)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result for programs.")] = False,
) -> None:
    """Read all completed checkout sessions at Stripe, with their refunds and disputes, and add what isn't known yet."""
    asked = {
        "since": iso_utc(instant(since)) if since is not None else None,
        "dryRun": dry_run,
        "fromStart": from_start,
        "requestsPerSecond": rate,
    }
    operator = Operator(find())
    with compared(operator, quiet=as_json or dry_run) as outcome:
        counts, refused = _run(operator, asked)
        outcome.news = bool(counts["new"])
        if as_json:
            say_json({**{name: counts[name] for name in ("read", "new", "known")}, "refused": refused})
        else:
            _show(counts, refused, dry_run=dry_run)


def _run(operator: Operator, asked: Row) -> tuple[Row, list[Row]]:
    """The counts, and every session that was refused. Raises CallFailed where it could not be finished."""
    refused: list[Row] = []
    try:
        with bar(TITLE) as step:
            for line in operator.lines(CHECKOUT_SERVICE, "/operator/backfill", asked):
                match line.get("stage"):
                    case "started" if line["resumed"]:
                        step(0, None, f"{TITLE}, where an earlier call stopped")
                    case "refused":
                        refused.append({name: line[name] for name in ("userId", "what", "because")})
                    case "page":
                        step(line["read"], None, f"{TITLE}, back to {line['reached'][:10]}")
                    case "done":
                        return line, refused
    except CallFailed as error:
        if error.status is not None and error.status != 503:
            raise
        raise CallFailed(str(error) if asked["dryRun"] else f"{error} {AGAIN}") from None
    except KeyboardInterrupt:
        raise CallFailed("Stopped." if asked["dryRun"] else f"Stopped. {AGAIN}") from None
    raise CallFailed(f"The answer was cut off; is checkout still running? {AGAIN}")


def _show(counts: Row, refused: Sequence[Row], *, dry_run: bool) -> None:
    if dry_run:
        say("Nothing was changed.")
    new = "would be new" if dry_run else "new"
    say(
        f"{counted(counts['read'], 'checkout session')} read at Stripe: {counts['new']:,} {new},"
        f" {counts['known']:,} known already, {len(refused):,} refused."
    )
    by_reason: defaultdict[str, list[Row]] = defaultdict(list)
    for row in refused:
        by_reason[row["because"]].append(row)
    for reason, rows in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        say(f"  {len(rows):,} {WORDS.get(reason, reason)}: {_examples(rows)}")


def _examples(rows: Sequence[Row]) -> str:
    told = [row["what"].removeprefix("checkout session ") for row in rows[:EXAMPLES]]
    named = [f"{what} ({row['userId']})" if row["userId"] else what for what, row in zip(told, rows, strict=False)]
    return ", ".join(named) + (", …" if len(rows) > EXAMPLES else "")


def instant(text: str) -> datetime:
    """A UTC day or an instant, not in the future."""
    try:
        found = datetime.combine(date.fromisoformat(text), time(), UTC) if len(text) == 10 else _moment(text)
    except (ValueError, OverflowError):
        misunderstood(
            f"--since {text} is no date.",
            "Write a UTC day (2026-03-01) or an instant (2026-03-01T12:00:00Z).",
        )
    if found > datetime.now(UTC):
        misunderstood(f"--since {text} lies in the future.", "Write a day that has begun.")
    return found


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
