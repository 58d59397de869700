"""`./atlas forget`: remove a user's identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from atlas_contracts.internal_api import CHECKOUT_SERVICE
from atlas_operator.client import Operator
from atlas_operator.errors import CallFailed
from atlas_operator.target import find
from atlas_operator.terminal import checks
from atlas_operator.terminal.afterwards import verdict
from atlas_operator.terminal.console import fail, misunderstood, say
from atlas_operator.terminal.subject import a_user

CONFLICT = 409


def forget(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="It cannot be undone: say that you mean it.")] = False,
    even_if_paying: Annotated[
        bool,
        typer.Option("--even-if-paying", help="Although a payment is being processed: its money will be nobody's."),
    ] = False,
) -> None:
    """Forget a user: their identity leaves ledger and projections, the financial facts stay."""
    checks.user_id(user)
    if not yes:
        misunderstood(f"This removes {user} for good.", f"If you mean it: ./atlas forget {user} --yes")
    operator = Operator(find())
    a_user(operator, user, "forget")
    body = {"userId": user, **({"evenIfPaying": True} if even_if_paying else {})}
    try:
        done: Mapping[str, Any] = operator.post(CHECKOUT_SERVICE, "/operator/forget", body)
    except CallFailed as failure:
        if failure.status != CONFLICT:
            raise
        fail(f"{failure} Nothing was forgotten.")
    say(f"Forgotten: {user}" if done.get("known", True) else f"Nothing was known of {user}.")
    for place, what in _places(done):
        say(f"  {place}: {what}")
    if done.get("known", True):
        verdict(operator, user)


def _places(done: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each place that the checkout service told, with what was done there."""
    for place in done.get("places", ()):
        if isinstance(place, Mapping):
            yield str(place.get("place")), str(place.get("done"))
        else:
            yield "checkout", str(place)
