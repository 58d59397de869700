"""`./atlas republish`: the state bucket and missing announcements, written again from the projection."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE
from atlas_kit.process.settings import ConfigurationError
from atlas_operator import mirrors
from atlas_operator.client import Operator
from atlas_operator.errors import CallFailed
from atlas_operator.local import environment
from atlas_operator.target import Target, find
from atlas_operator.terminal import checks
from atlas_operator.terminal.afterwards import how_many, verdict
from atlas_operator.terminal.console import fail, say, say_json
from atlas_operator.terminal.progress import bar
from atlas_operator.terminal.words import counted, listed


def republish(
    *,
    user: Annotated[str | None, typer.Option("--user", metavar="USER", help="Only this user.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result for programs.")] = False,
) -> None:
    """Tell other services again who is Pro: what is missing or wrong in the state bucket and on the stream."""
    if user is not None:
        checks.user_id(user)
    target = find()
    operator = Operator(target)
    result = _run(operator, user)
    remade = [] if user else _mirrors(target, environment(os.environ))
    if as_json:
        say_json({**result, "mirrors": remade})
        return
    if user and not any(result.values()):
        fail(f"Nothing is known of {user}.")
    say(_told(result))
    for sentence in remade:
        say(sentence)
    if user:
        verdict(operator, user)
    else:
        how_many(operator)


def _mirrors(target: Target, given: Mapping[str, str]) -> list[str]:
    try:
        return mirrors.remake(mirrors.keepers(target, given), mirrors.copies(target, given))
    except ConfigurationError as error:
        return [f"The readers' mirrors were not looked at. {error}"]


def _run(operator: Operator, user: str | None) -> dict[str, Any]:
    with bar("Republishing") as step:
        for line in operator.lines(ENTITLEMENTS_SERVICE, "/operator/republish", {"userId": user}):
            if "result" in line:
                return dict(line["result"])
            step(line.get("done", 0), line.get("total"))
    raise CallFailed("The answer was cut off; is the entitlements service still running? ./atlas logs entitlements")


def _told(result: dict[str, Any]) -> str:
    done = [
        f"{int(result[name]):,} {singular if result[name] == 1 else plural}"
        for name, singular, plural in (
            ("written", "entry written", "entries written"),
            ("removed", "entry of nobody removed", "entries of nobody removed"),
            ("announced", "announcement sent again", "announcements sent again"),
        )
        if result[name]
    ]
    return f"{counted(int(result['users']), 'user')}: {listed(done) if done else 'everything was right already'}."
