"""`./atlas rebuild`: fold the ledger again."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE
from atlas_devstack.operator.client import Operator
from atlas_devstack.operator.errors import CallFailed
from atlas_devstack.operator.target import find

from .console import errors, out
from .progress import bar

SHOWN = 20


def rebuild(
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only compare, change nothing; exit code 1 on differences.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result for programs.")] = False,
) -> None:
    """Fold the whole ledger into a fresh projection, compare it with the live one, put right what differs."""
    begun = time.monotonic()
    result = _run(Operator(find()), verify=verify)
    seconds = time.monotonic() - begun
    if as_json:
        print(json.dumps({**result, "seconds": round(seconds, 3)}, indent=2))
    else:
        facts = int(result.get("facts", 0))
        out.print(f"{facts:,} facts folded in {seconds:.1f} s; {result['differences']} differences.")
        for kind in ("users", "payments"):
            for name in result.get(kind, [])[:SHOWN]:
                errors.print(f"  ≠ {kind.removesuffix('s')} {name}", markup=False)
        if result.get("repaired"):
            out.print("The live projection now says what the ledger says.")
    raise typer.Exit(1 if verify and result["differences"] else 0)


def _run(operator: Operator, *, verify: bool) -> dict[str, Any]:
    with bar("Folding the ledger") as step:
        for line in operator.lines(ENTITLEMENTS_SERVICE, "/operator/rebuild", {"verify": verify}):
            if "result" in line:
                return dict(line["result"])
            step(line.get("done", 0), line.get("total"))
    raise CallFailed("The answer was cut off; is the entitlements service still running? ./atlas logs entitlements")
