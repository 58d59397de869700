"""`./atlas forget`: remove a user's identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE
from atlas_operator.client import Operator
from atlas_operator.errors import CallFailed
from atlas_operator.target import find
from atlas_operator.terminal import checks
from atlas_operator.terminal.console import fail, misunderstood, say
from atlas_operator.terminal.subject import a_user
from atlas_operator.terminal.words import counted

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
    # First checkout's database and the metadata at Stripe: later reads would bring the user's id back from there.
    at_stripe = _at_stripe(operator, user, even_if_paying=even_if_paying)
    in_ledger = operator.post(ENTITLEMENTS_SERVICE, "/operator/forget", {"userId": user})
    say(f"Forgotten: {user}")
    for place, done in (*_checkout(at_stripe), *_entitlements(in_ledger)):
        say(f"  {place}: {done}")


def _at_stripe(operator: Operator, user: str, *, even_if_paying: bool) -> Mapping[str, Any]:
    body = {"userId": user, **({"evenIfPaying": True} if even_if_paying else {})}
    try:
        done: Mapping[str, Any] = operator.post(CHECKOUT_SERVICE, "/operator/forget", body)
    except CallFailed as failure:
        if failure.status != CONFLICT:
            raise
        fail(f"{failure} Nothing was forgotten.")
    return done


def _checkout(done: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each place that the checkout service told, with what it did there."""
    places = done.get("places")
    if not isinstance(places, list):
        yield "Stripe and checkout", f"{counted(int(done.get('sessions', 0)), 'session')} no longer say whose they were"
        return
    for place in places:
        if isinstance(place, Mapping):
            yield str(place.get("place")), str(place.get("done") or place.get("what"))
        else:
            yield "checkout", str(place)


def _entitlements(done: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "ledger and projection", f"{counted(int(done.get('facts', 0)), 'fact')} kept without a name"
    yield "broker", "past events keep the id until the streams' retention ends"
