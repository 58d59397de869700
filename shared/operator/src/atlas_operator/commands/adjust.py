"""`./atlas grant`, `./atlas revoke`: an operator's word, in the ledger like everything else."""

from __future__ import annotations

import json
import time
import uuid
from typing import Annotated, Any

import typer

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE, INGEST_SERVICE, AdjustmentRequest
from atlas_operator import revoking
from atlas_operator.client import Operator
from atlas_operator.lookup import owner
from atlas_operator.names import operators_name
from atlas_operator.target import find
from atlas_operator.terminal import checks, explained
from atlas_operator.terminal.console import fail, misunderstood, say
from atlas_operator.terminal.subject import a_user

NAMES = {
    "user_id": "USER",
    "payment_id": "--payment",
    "reason": "--reason",
    "ticket": "--ticket",
    "idempotency_key": "--idempotency-key",
    "operator": "The operator's name",
}
APPLIED_SECONDS = 20.0
POLL_SECONDS = 0.1

User = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]
Ticket = Annotated[str | None, typer.Option(help="The ticket that asked for it; kept beside the reason.")]
Key = Annotated[
    str | None,
    typer.Option("--idempotency-key", "--key", help="The same key again does nothing.", show_default=False),
]


def grant(user: User, *, reason: Reason, ticket: Ticket = None, key: Key = None) -> None:
    """Make a user Pro."""
    request = _request("grant", user, reason, ticket, key)
    operator = Operator(find())
    a_user(operator, user, "grant")
    _adjust(operator, request)


def revoke(
    user: User,
    *,
    reason: Reason,
    payment: Annotated[
        str | None,
        typer.Option(help="End what this payment grants (pi_… or cs_…): its money went back outside Stripe."),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the end of that payment back.")] = False,
    ticket: Ticket = None,
    key: Key = None,
) -> None:
    """End what an operator granted, or with --payment what one payment grants."""
    if undo and payment is None:
        misunderstood("--undo needs --payment: it takes back the end of one payment.")
    action = "revoke" if payment is None else "undo_revoke_payment" if undo else "revoke_payment"
    request = _request(action, user, reason, ticket, key, payment)
    operator = Operator(find())
    a_user(operator, user, "revoke")
    told = _explained(operator, user)
    if not revoking.said_before(told, request.idempotency_key):
        _refuse_what_changes_nothing(operator, told, request)
    _adjust(operator, request)


def _request(
    action: str, user: str, reason: str, ticket: str | None, key: str | None, payment: str | None = None
) -> AdjustmentRequest:
    checks.user_id(user)
    checks.prose(reason, "--reason")
    for value, check, name in ((ticket, checks.prose, "--ticket"), (key, checks.key, "--idempotency-key")):
        if value is not None:
            check(value, name)
    if payment is not None and not checks.PAYMENT_ID.fullmatch(checks.any_id(payment, "--payment")):
        misunderstood("--payment must be a payment's id, pi_… or cs_….")
    values: dict[str, Any] = {
        "user_id": user, "action": action, "reason": reason, "operator": operators_name(), "payment_id": payment,
        "ticket": ticket, "idempotency_key": key or uuid.uuid4().hex,
    }  # fmt: skip
    return checks.request(AdjustmentRequest, values, NAMES)


def _refuse_what_changes_nothing(operator: Operator, told: dict[str, Any], request: AdjustmentRequest) -> None:
    user, payment = request.user_id, request.payment_id
    if payment is None:
        if not revoking.granted_by_operator(told):
            fail(f"No operator's grant makes {user} Pro; nothing was changed.", revoking.through(told))
        return
    found = owner(operator, payment, may_be_stripes=True)
    if user not in found.users:
        theirs = (
            f"It is a payment of {' and '.join(found.users)}." if found.users else "It is unknown, here and at Stripe."
        )
        fail(f"{payment} is no payment of {user}; nothing was changed.", theirs)
    revoked = revoking.is_revoked(told, {payment, *found.payments})
    if request.action == "undo_revoke_payment" and not revoked:
        fail(f"{payment} was not revoked by an operator; nothing was changed.", revoking.through(told))
    if request.action == "revoke_payment" and revoked:
        fail(f"{payment} was revoked by an operator before; nothing was changed.", revoking.through(told))


def _adjust(operator: Operator, request: AdjustmentRequest) -> None:
    done = operator.post(
        INGEST_SERVICE, "/operator/adjustments", json.loads(request.model_dump_json(by_alias=True, exclude_none=True))
    )
    what = request.action.replace("_", " ")
    if done.get("appended", True):
        say(f"{what.capitalize()} recorded for {request.user_id}.")
    else:
        say(f"This {what} was recorded before.")
    told = _once_applied(operator, request.user_id, str(done.get("eventId")))
    if told is None:
        say(("! ", "yellow"), "It is not applied yet; ./atlas status says whether entitlements runs.")
    else:
        explained.verdict_of(told)


def _once_applied(operator: Operator, user: str, event_id: str) -> dict[str, Any] | None:
    """The explanation in which the event is; None when it is not applied in time."""
    deadline = time.monotonic() + APPLIED_SECONDS
    while True:
        told = _explained(operator, user)
        if revoking.knows(told, event_id):
            return told
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_SECONDS)


def _explained(operator: Operator, user: str) -> dict[str, Any]:
    told: dict[str, Any] = operator.get(ENTITLEMENTS_SERVICE, "/operator/explain", user=user)
    return told
