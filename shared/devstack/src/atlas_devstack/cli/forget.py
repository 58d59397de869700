"""`./atlas forget`: remove a user's identity."""

from __future__ import annotations

from typing import Annotated

import typer

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE
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
    done = Operator(find()).post(ENTITLEMENTS_SERVICE, "/operator/forget", {"userId": user})
    out.print(f"Forgotten: {user} ({done.get('facts', 0)} facts kept without a name).", markup=False)
