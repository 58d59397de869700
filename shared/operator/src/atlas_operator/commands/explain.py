"""`./atlas explain`: why a user is or isn't Pro."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE, INGEST_SERVICE
from atlas_operator.client import Operator
from atlas_operator.errors import CallFailed, NoTarget
from atlas_operator.lookup import Owner, owner
from atlas_operator.target import find
from atlas_operator.terminal import checks, explained
from atlas_operator.terminal.console import NOTE_MARK, remark, say, say_json

Told = dict[str, Any]
NOT_A_BUYER = {"isPro": False, "status": "none", "source": None, "activeFrom": None, "activeUntil": None, "version": 0}
LISTS = ("payments", "adjustments", "rejected", "pending", "wouldChange", "requests")


def explain(
    name: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A user's id or one of Stripe's: payment, session, charge, refund, dispute, customer, invoice, event",
        ),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
) -> None:
    """Why a user is or isn't Pro: every fact, where it came from, what it did, what would change the verdict."""
    checks.any_id(name)
    operator = Operator(find())
    whose = owner(operator, name, may_be_stripes=checks.is_stripes(name))
    users = whose.users or (() if checks.is_stripes(name) else (name,))
    parked = _parked(operator, {name, *users})
    told = [_told(operator, user, parked) for user in users]
    if as_json:
        first, *others = told or [
            {"userId": None, "verdict": NOT_A_BUYER, **{kind: [] for kind in LISTS}, "parked": parked}
        ]
        say_json({**first, **({"others": others} if others else {})})
    else:
        _show(whose, told, parked)
    if not whose.known and not parked:
        raise typer.Exit(1)


def _told(operator: Operator, user: str, parked: list[Told]) -> Told:
    told: Told = operator.get(ENTITLEMENTS_SERVICE, "/operator/explain", user=user)
    return {**told, "parked": [row for row in parked if row.get("userId") in (user, None)]}


def _show(whose: Owner, told: list[Told], parked: list[Told]) -> None:
    _whose(whose, nothing_else=not parked)
    if not whose.known and parked:
        explained.parked(parked)
        return
    for each in told if whose.known else ():
        explained.show(each)


def _whose(whose: Owner, *, nothing_else: bool) -> None:
    """What the id is, if it is not simply the user's own."""
    name = whose.id
    if not whose.known and not checks.is_stripes(name):
        say(f"Nothing at all is known of a user {name}." if nothing_else else f"The ledger knows no user {name}.")
    elif not whose.known:
        say(f"{name} is unknown, here and at Stripe.")
    elif not whose.users:
        say(f"{name} is known {'here' if whose.recorded else 'at Stripe'}, but is no user's of ours.")
    elif not whose.is_user:
        payments = ", ".join(payment for payment in whose.payments if payment != name)
        say(f"{name} belongs to {' and '.join(whose.users)}{f' (payment {payments})' if payments else ''}.")
        if not whose.recorded:
            say("The ledger doesn't know it, Stripe does: ./atlas pull fetches what is missing.")


def _parked(operator: Operator, names: set[str]) -> list[Told]:
    """Parked events about any of these names; none if webhook-ingest doesn't answer, which doesn't stop the command."""
    try:
        rows: list[Told] = operator.get(INGEST_SERVICE, "/operator/parked")
    except (CallFailed, NoTarget) as error:
        remark(NOTE_MARK, f" Parked events can't be read: {error}")
        return []
    return [row for row in rows if names & {row.get("userId"), row.get("eventId"), row.get("id")}]
