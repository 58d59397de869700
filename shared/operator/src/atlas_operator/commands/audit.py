"""`./atlas audit`: compares every user's entitlement with the state of their payments at Stripe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated
from urllib.parse import urlencode

import typer

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, ProviderPayment
from atlas_contracts.support import AuditDone
from atlas_operator.audit import AGREED, WRONG, Audited, Row, compare, is_wrong, sessions_of, users_in
from atlas_operator.client import Operator
from atlas_operator.errors import CallFailed
from atlas_operator.lookup import owner
from atlas_operator.target import find
from atlas_operator.terminal import checks
from atlas_operator.terminal.console import NOTE_MARK, OK_MARK, fail, remark, say, say_json
from atlas_operator.terminal.progress import Advance, bar
from atlas_operator.terminal.words import counted

TITLES = {
    "paidNotPro": "Paid, and not Pro (./atlas pull fetches what is missing; ./atlas explain USER tells more)",
    "proNotPaid": "Pro, and not paid (./atlas pull fetches what is missing; ./atlas explain USER tells more)",
    "secondPayments": "Paid twice: refund the second payment at Stripe",
    AGREED: "Not as at Stripe because an operator said so (nothing to do)",
}


def audit(
    *,
    user: Annotated[str | None, typer.Option(help="Only this user, or whose this id of Stripe's is.")] = None,
    days: Annotated[int, typer.Option(help="How far back at Stripe, in days.", min=1, max=3650)] = 365,
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
) -> None:
    """Compare everybody with what Stripe says in the end. Exit code 1 if anybody is wrong.

    An audit of everybody is reported to entitlements, whose metrics show when the last clean one was.
    """
    if user is not None:
        checks.any_id(user, "--user")
    operator = Operator(find())
    users = [None] if user is None else _users(operator, user)
    with bar("Reading entitlements and Stripe") as step:
        looks = [_audited(operator, step, name, days) for name in users]
    found: Audited = {kind: [row for look, _ in looks for row in look[kind]] for kind in (*WRONG, AGREED)}
    compared = sum(looked_at for _, looked_at in looks)
    if user is None:
        _tell(operator, found, compared)
    if as_json:
        say_json({kind: rows for kind, rows in found.items() if rows or kind in WRONG})
    else:
        _show(found, compared)
    raise typer.Exit(1 if is_wrong(found) else 0)


def _tell(operator: Operator, found: Audited, users: int) -> None:
    """The result in numbers, for desk and metrics; an audit is worth as much where they can't be kept."""
    done = AuditDone(
        users=users,
        paid_not_pro=len(found["paidNotPro"]),
        pro_not_paid=len(found["proNotPaid"]),
        second_payments=len(found["secondPayments"]),
    )
    try:
        operator.post(ENTITLEMENTS_SERVICE, "/operator/audits", done.model_dump(by_alias=True))
    except CallFailed as error:
        remark(NOTE_MARK, f" The support desk won't show this audit: {error}")


def _users(operator: Operator, name: str) -> Sequence[str]:
    """The user who is meant: by their own id, or by an id of Stripe's that belongs to them."""
    if not checks.is_stripes(name):
        return (name,)
    found = owner(operator, name, may_be_stripes=True)
    if not found.known:
        fail(f"{name} is unknown, here and at Stripe.")
    if not found.users:
        fail(f"{name} belongs to no user of ours.")
    return found.users


def _audited(operator: Operator, step: Advance, user: str | None, days: int) -> tuple[Audited, int]:
    """The differences, and the number of users that were compared."""
    reviews = _reviews(operator, user)
    found, looked_at = _look(operator, step, user, days, reviews)
    # A payment may have come between the two reads, so every user who looks wrong is checked once more, alone.
    again = [
        _look(
            operator, step, name, days, [row for row in reviews if row.get("userId") == name], sessions_of(found, name)
        )[0]
        for name in users_in(found)
    ]
    nobodys = [row for row in found["paidNotPro"] if not row["userId"]]
    looked_twice = {
        kind: [row for each in again for row in each[kind]] for kind in ("paidNotPro", "proNotPaid", AGREED)
    }
    agreed = [row for row in found[AGREED] if row["userId"] not in users_in(found)]
    return {
        "paidNotPro": nobodys + looked_twice["paidNotPro"],
        "proNotPaid": looked_twice["proNotPaid"],
        "secondPayments": found["secondPayments"],
        AGREED: agreed + looked_twice[AGREED],
    }, looked_at


def _reviews(operator: Operator, user: str | None) -> list[Row]:
    rows: list[Row] = operator.get(ENTITLEMENTS_SERVICE, "/operator/reviews")["refused"]
    return [row for row in rows if user is None or row.get("userId") == user]


def _look(
    operator: Operator,
    step: Advance,
    user: str | None,
    days: int,
    reviews: Iterable[Row],
    sessions: Sequence[str] = (),
) -> tuple[Audited, int]:
    query = f"?{urlencode({'user': user})}" if user else ""
    holders = []
    for told in operator.lines(ENTITLEMENTS_SERVICE, f"/operator/holders{query}"):
        holders.append(told)
        step(len(holders), None)
    asked = [("days", str(days)), *([("user", user)] if user else []), *(("session", session) for session in sessions)]
    payments = _payments(operator, f"/operator/provider-state?{urlencode(asked)}", step, len(holders))
    looked_at = {*(row["userId"] for row in holders), *(payment.user_id for payment in payments)}
    return compare(payments, holders, reviews), len(looked_at)


def _payments(operator: Operator, path: str, step: Advance, before: int) -> list[ProviderPayment]:
    payments: list[ProviderPayment] = []
    for told in operator.lines(CHECKOUT_SERVICE, path):
        if told.get("done"):
            return payments
        payments.append(ProviderPayment.model_validate(told))
        step(before + len(payments), None)
    raise CallFailed("Stripe's answer was cut off. Try again; ./atlas logs checkout tells more.")


def _show(found: Audited, looked_at: int) -> None:
    for kind, rows in found.items():
        if rows:
            say((TITLES[kind], "bold"))
            for row in rows:
                say(f"  {row['userId'] or '(no user)'}: {row['reason']}")
    if not is_wrong(found):
        say(OK_MARK, f" Stripe and the ledger agree on {counted(looked_at, 'user')}.")
