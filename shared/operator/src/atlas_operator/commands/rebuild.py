"""`./atlas rebuild`: fold the ledger again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE
from atlas_operator.client import Operator
from atlas_operator.doctor import states
from atlas_operator.errors import CallFailed
from atlas_operator.target import find
from atlas_operator.terminal.afterwards import compared
from atlas_operator.terminal.console import remark, say, say_json
from atlas_operator.terminal.progress import bar
from atlas_operator.terminal.words import counted

SHOWN = 20


def rebuild(
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only compare, change nothing; exit code 1 on differences.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result for programs.")] = False,
) -> None:
    """Fold the whole ledger into a fresh projection, compare it with the live one, put right what differs."""
    operator = Operator(find())
    with compared(operator, quiet=as_json or verify):
        begun = time.monotonic()
        result = _run(operator, verify=verify)
        seconds = time.monotonic() - begun
        if as_json:
            say_json({**result, "seconds": round(seconds, 3)})
        else:
            _show(result, seconds)
    raise typer.Exit(1 if verify and (result["differences"] or not _right(result)) else 0)


def _show(result: Mapping[str, Any], seconds: float) -> None:
    facts = int(result.get("facts", 0))
    told = f"{counted(facts, 'fact')} folded in {seconds:.1f} s; {counted(result['differences'], 'difference')}."
    say(told)
    for kind in ("users", "payments"):
        for name in result.get(kind, [])[:SHOWN]:
            remark(f"  ≠ {kind.removesuffix('s')} {name}")
    if result.get("repaired"):
        say("The live projection now says what the ledger says.")
    _tell(result.get("states"))


def _right(result: Mapping[str, Any]) -> bool:
    """Whether the state bucket says what the projection says; a service of an earlier version doesn't compare it."""
    return bool(result.get("states", {}).get("right", True)) and "error" not in result.get("states", {})


def _tell(compared: Mapping[str, Any] | None) -> None:
    if compared is None:
        return
    if "error" in compared:
        remark(f"The bucket of states was not compared: {compared['error']}.")
    elif wrong := states.differences(compared):
        remark(f"  ≠ bucket of states: {wrong}. {states.MEND}")
    else:
        say(f"The bucket of states says the same of {counted(int(compared['users']), 'user')}.")


def _run(operator: Operator, *, verify: bool) -> dict[str, Any]:
    with bar("Folding the ledger") as step:
        for line in operator.lines(ENTITLEMENTS_SERVICE, "/operator/rebuild", {"verify": verify}):
            if "result" in line:
                return dict(line["result"])
            step(line.get("done", 0), line.get("total"))
    raise CallFailed("The answer was cut off; is the entitlements service still running? ./atlas logs entitlements")
