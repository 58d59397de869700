"""`./atlas audit`: the final-state check against Stripe."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.markup import escape

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, ProviderPayment
from atlas_devstack.operator.audit import Found, compare, users_in
from atlas_devstack.operator.client import Operator
from atlas_devstack.operator.errors import CallFailed
from atlas_devstack.operator.target import find

from .console import out
from .progress import Step, bar

TITLES = {
    "paidNotPro": "Paid, and not Pro (./atlas pull fetches what is missing; ./atlas explain USER tells more)",
    "proNotPaid": "Pro, and not paid (./atlas pull fetches what is missing; ./atlas explain USER tells more)",
    "secondPayments": "Paid twice: refund the second payment at Stripe",
}


def audit(
    *,
    user: Annotated[str | None, typer.Option(help="Only this user.")] = None,
    days: Annotated[int, typer.Option(help="How far back at Stripe, in days.", min=1, max=3650)] = 365,
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
) -> None:
    """Compare everybody with what Stripe says in the end. Exit code 1 if anybody is wrong."""
    operator = Operator(find())
    with bar("Reading entitlements and Stripe") as step:
        found, looked_at = _look(operator, step, user, days)
        # Somebody may have paid between the two readings: whoever looks wrong is looked at once more, alone.
        again = [_look(operator, step, name, days)[0] for name in users_in(found)]
    confirmed: Found = {
        **found,
        **{kind: [row for each in again for row in each[kind]] for kind in ("paidNotPro", "proNotPaid")},
    }
    if as_json:
        print(json.dumps(confirmed, indent=2))
    else:
        _show(confirmed, looked_at)
    raise typer.Exit(1 if any(confirmed.values()) else 0)


def _look(operator: Operator, step: Step, user: str | None, days: int) -> tuple[Found, int]:
    query = f"?{urlencode({'user': user})}" if user else ""
    holders = []
    for line in operator.lines(ENTITLEMENTS_SERVICE, f"/operator/holders{query}"):
        holders.append(line)
        step(len(holders), None)
    state = f"/operator/provider-state?{urlencode({'days': days, **({'user': user} if user else {})})}"
    payments = _payments(operator, state, step, len(holders))
    return compare(payments, holders), len({*(row["userId"] for row in holders), *(p.user_id for p in payments)})


def _payments(operator: Operator, path: str, step: Step, before: int) -> list[ProviderPayment]:
    payments: list[ProviderPayment] = []
    for line in operator.lines(CHECKOUT_SERVICE, path):
        if line.get("done"):
            return payments
        payments.append(ProviderPayment.model_validate(line))
        step(before + len(payments), None)
    raise CallFailed("Stripe's answer was cut off. Try again; ./atlas logs checkout tells more.")


def _show(found: dict[str, list[dict[str, Any]]], looked_at: int) -> None:
    for kind, rows in found.items():
        if rows:
            out.print(f"[bold red]{TITLES[kind]}[/]")
            for row in rows:
                out.print(f"  {escape(row['userId'])}: {escape(str(row['reason']))}")
    if not any(found.values()):
        out.print(f"[green]✓[/] Stripe and the ledger agree on {looked_at} user{'' if looked_at == 1 else 's'}.")
