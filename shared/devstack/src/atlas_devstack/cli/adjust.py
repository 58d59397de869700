"""`./atlas grant`, `./atlas revoke`: an operator's word, in the ledger like everything else."""

from __future__ import annotations

import getpass
import json
import uuid
from typing import Annotated

import typer

from atlas_contracts.internal_api import INGEST_SERVICE, AdjustmentRequest
from atlas_devstack.operator.client import Operator
from atlas_devstack.operator.target import find

from .console import out

User = Annotated[str, typer.Argument(help="The user's id.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]
Key = Annotated[str, typer.Option("--idempotency-key", help="The same key again does nothing.", show_default=False)]


def grant(user: User, *, reason: Reason, key: Key = "") -> None:
    """Make a user Pro."""
    _adjust("grant", user, reason, key)


def revoke(user: User, *, reason: Reason, key: Key = "") -> None:
    """End what an operator granted. What was paid for stays."""
    _adjust("revoke", user, reason, key)


def _adjust(action: str, user: str, reason: str, key: str) -> None:
    request = AdjustmentRequest(
        user_id=user, action=action, reason=reason, operator=getpass.getuser(), idempotency_key=key or uuid.uuid4().hex
    )
    body = json.loads(request.model_dump_json(by_alias=True))
    done = Operator(find()).post(INGEST_SERVICE, "/operator/adjustments", body)
    new = done.get("appended", True)
    out.print(f"{action} recorded for {user}." if new else f"This {action} was recorded before.", markup=False)
