"""`./atlas grant`, `./atlas revoke`: an operator's word, in the ledger like everything else."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import typer

from atlas_contracts.internal_api import AdjustmentRequest
from atlas_operator.adjusting import ChangesNothing, adjust, refuse_what_changes_nothing
from atlas_operator.client import Operator
from atlas_operator.names import operators_name
from atlas_operator.target import find
from atlas_operator.terminal import checks, explained
from atlas_operator.terminal.console import NOTE_MARK, fail, misunderstood, say
from atlas_operator.terminal.subject import a_user

NAMES = {
    "user_id": "USER",
    "payment_id": "--payment",
    "reason": "--reason",
    "ticket": "--ticket",
    "idempotency_key": "--idempotency-key",
    "operator": "The operator's name",
}

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


def _adjust(operator: Operator, request: AdjustmentRequest) -> None:
    try:
        refuse_what_changes_nothing(operator, request)
    except ChangesNothing as refusal:
        fail(str(refusal), refusal.remedy)
    done = adjust(operator, request)
    what = request.action.replace("_", " ")
    if done.appended:
        say(f"{what.capitalize()} recorded for {request.user_id}.")
    else:
        say(f"This {what} was recorded before.")
    if done.told is None:
        say(NOTE_MARK, " It is not applied yet; ./atlas status says whether entitlements runs.")
    else:
        explained.verdict_of(done.told)
