"""`./atlas forget`: remove a user's identity."""

from __future__ import annotations

from typing import Annotated

import typer

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE
from atlas_devstack.operator.client import Operator
from atlas_devstack.operator.target import find

from .console import fail, out


def forget(
    user: Annotated[str, typer.Argument(help="The user's id.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="It cannot be undone: say that you mean it.")] = False,
) -> None:
    """Forget a user: their identity leaves ledger and projections, the financial facts stay."""
    if not yes:
        fail(f"This removes {user} for good.", f"If you mean it: ./atlas forget {user} --yes", code=2)
    operator = Operator(find())
    # First what would bring the name back: checkout's database, and what it wrote at Stripe.
    operator.post(CHECKOUT_SERVICE, "/operator/forget", {"userId": user})
    done = operator.post(ENTITLEMENTS_SERVICE, "/operator/forget", {"userId": user})
    out.print(f"Forgotten: {user} ({done.get('facts', 0)} facts kept without a name).", markup=False)
