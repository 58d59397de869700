"""`./atlas export`: everything that is kept about a user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, INGEST_SERVICE
from atlas_operator.client import Operator
from atlas_operator.target import find
from atlas_operator.terminal import checks
from atlas_operator.terminal.console import fail, say_json
from atlas_operator.terminal.subject import a_user


def export(user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]) -> None:
    """Print everything that is kept about a user, as JSON."""
    checks.user_id(user)
    operator = Operator(find())
    a_user(operator, user, "export")
    here = operator.get(CHECKOUT_SERVICE, "/operator/kept", user=user)
    told = {
        "facts": list(_facts(operator, user)),
        "entitlement": operator.get_as(user, ENTITLEMENTS_SERVICE, "/internal/entitlement"),
        "customers": here["customers"],
        "sessions": here["sessions"],
        "parked": operator.get(INGEST_SERVICE, "/operator/kept", user=user),
    }
    if not told["entitlement"]["version"] and not any(told[name] for name in told if name != "entitlement"):
        fail(f"Nothing is kept about {user}.")
    say_json(told)


def _facts(operator: Operator, user: str) -> Iterator[dict[str, Any]]:
    """Every fact, oldest first, read page by page."""
    after: int | None = 0
    while after is not None:
        page = operator.get(ENTITLEMENTS_SERVICE, "/operator/kept", user=user, after=str(after))
        yield from page["facts"]
        after = page["next"]
