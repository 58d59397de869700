"""`./atlas stripe …`: the Stripe account that Atlas sells with."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from atlas_operator.local import environment
from atlas_operator.stripe_setup import asked as asking
from atlas_operator.stripe_setup.account import StripeAccount
from atlas_operator.stripe_setup.kept import Kept
from atlas_operator.stripe_setup.setup import Setup
from atlas_operator.stripe_setup.step import SetupStep
from atlas_operator.terminal.console import remark, say, say_json

EXIT_CHANGES = 2
"""A plan that has something to do."""
STYLES = {"create": "bold", "change": "bold", "keep": ""}

app = typer.Typer(help="The Stripe account: product, price, webhook endpoint, portal.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep this a group, whose only command is called by its name."""


@app.command()
def setup(
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without this it is only said.")] = False,
    url: Annotated[
        str | None, typer.Option(help="Where Stripe sends webhooks; else to the running stack.", show_default=False)
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="The key is a live one, and you mean it.")] = False,
    amount: Annotated[
        str | None, typer.Option(metavar="INTEGER", help="What Pro costs, in minor units.", show_default="4900")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="In which currency.", show_default="usd")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result for programs.")] = False,
) -> None:
    """Make product, price, webhook endpoint and portal configuration, where they are not there as they should be.

    Exit code 0: nothing is left to do; 2: the plan has changes; 1: it could not be done.
    """
    given = environment(os.environ)
    wanted = asking.asked(given, url=url, live=live, amount=amount, currency=currency)
    kept = Kept()
    work = Setup(wanted, kept, StripeAccount(wanted.key, wanted.base), given)
    remark(f"Stripe: {wanted.mode} mode{f' at {wanted.base}' if wanted.base else ''}")
    steps = work.apply() if apply else work.plan()
    changes = sum(step.action != "keep" for step in steps)
    if as_json:
        say_json(_told(work, steps, changes, applied=apply))
    else:
        _show(work, steps, changes, applied=apply)
    raise typer.Exit(EXIT_CHANGES if changes and not apply else 0)


def _show(work: Setup, steps: list[SetupStep], changes: int, *, applied: bool) -> None:
    """On stdout one line for each object and no other; what is said beside is on stderr."""
    for step in steps:
        what = f" ({step.what})" if step.what else ""
        identifier = f" {step.identifier}" if step.identifier else ""
        say(f"{step.thing}: ", (step.action, STYLES[step.action]), what, identifier)
    if work.wrote:
        remark(f"Written to {work.kept.path}: {', '.join(work.wrote)}. Hand it to the services, and start them again.")
    remark("This is a plan. To do it, add --apply." if changes and not applied else "Nothing is left to do.")


def _told(work: Setup, steps: list[SetupStep], changes: int, *, applied: bool) -> dict[str, Any]:
    return {
        "mode": work.asked.mode,
        "applied": applied,
        "changes": changes,
        "objects": [
            {"object": step.thing, "action": step.action, "what": step.what, "id": step.identifier} for step in steps
        ],
        "file": str(work.kept.path),
        "wrote": work.wrote,
    }
