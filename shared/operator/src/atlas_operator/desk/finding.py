"""Finds a buyer by whatever they have: an id, an invoice number, an e-mail."""

from __future__ import annotations

from typing import Any

from atlas_contracts.internal_api import CHECKOUT_SERVICE, INGEST_SERVICE
from atlas_operator.client import Operator
from atlas_operator.desk.ports import FoundBuyers, Row
from atlas_operator.desk.query import Kind, Query, understand
from atlas_operator.errors import CallFailed, NoTarget
from atlas_operator.lookup import owner

WHAT = {Kind.EMAIL: "this e-mail address", Kind.LINK: "this payment link", Kind.WARNING: "this fraud warning"}
FIELDS = {Kind.EMAIL: "email", Kind.LINK: "paymentLink", Kind.WARNING: "fraudWarning"}


def find(operator: Operator, typed: str) -> FoundBuyers:
    """Whose it is. Raises CallFailed."""
    query = understand(typed)
    match query.kind:
        case Kind.NOTHING:
            return FoundBuyers(said="Enter a user's id, one of Stripe's, an invoice number or an e-mail address.")
        case Kind.UNUSABLE:
            return FoundBuyers(said="That is no id, no invoice number and no e-mail address.")
        case Kind.EMAIL | Kind.LINK:
            return _at_stripe(operator, {FIELDS[query.kind]: query.text}, WHAT[query.kind])
        case Kind.WARNING:
            recorded = owner(operator, query.text, may_be_stripes=False)
            return _users(recorded.users, query.text) or _at_stripe(
                operator, {FIELDS[query.kind]: query.text}, WHAT[query.kind]
            )
        case Kind.STRIPES:
            return _stripes(operator, query)
        case _:
            return _ours(operator, query)


def _stripes(operator: Operator, query: Query) -> FoundBuyers:
    name = query.text
    whose = owner(operator, name, may_be_stripes=True)
    parked = _parked(operator, name)
    users = _users((*whose.users, *(str(row["userId"]) for row in parked if row.get("userId"))), name)
    if users:
        return users
    if parked:
        return FoundBuyers(said=f"{name} is parked, and names no user.", parked=tuple(parked))
    if whose.known:
        where = "here" if whose.recorded else "at Stripe"
        return FoundBuyers(said=f"{name} is known {where}, but is no user's of ours.")
    return FoundBuyers(said=f"{name} is unknown, here and at Stripe.")


def _ours(operator: Operator, query: Query) -> FoundBuyers:
    name = query.text
    whose = owner(operator, name, may_be_stripes=False)
    if found := _users(whose.users, name):
        return found
    parked = _parked(operator, name)
    if found := _users(tuple(str(row["userId"]) for row in parked if row.get("userId")), name):
        return found
    if query.may_be_invoice:
        told = _asked(operator, {"invoiceNumber": name})
        if told["known"]:
            return _answer(told, f"the invoice {name}")
    # The page of a user of whom nothing is known can still be opened: somebody may have to grant them Pro.
    nothing = f"Nothing at all is known of a user {name}, nor of an invoice with that number."
    return FoundBuyers((name,), nothing, tuple(parked), nothing_known=True)


def _users(users: tuple[str, ...], name: str) -> FoundBuyers | None:
    distinct = tuple(dict.fromkeys(users))
    if not distinct:
        return None
    return FoundBuyers(distinct, f"{name} belongs to several users." if len(distinct) > 1 else "")


def _at_stripe(operator: Operator, wanted: dict[str, str], what: str) -> FoundBuyers:
    return _answer(_asked(operator, wanted), what)


def _asked(operator: Operator, wanted: dict[str, str]) -> dict[str, Any]:
    try:
        told: dict[str, Any] = operator.post(CHECKOUT_SERVICE, "/operator/find-buyers", wanted)
    except CallFailed as error:
        if error.misunderstood:  # what no object at Stripe could be called
            return {"known": False, "userIds": [], "more": False}
        raise
    return told


def _answer(told: Row, what: str) -> FoundBuyers:
    users = tuple(told["userIds"])
    if not told["known"]:
        return FoundBuyers(said=f"Stripe knows nothing of {what}.")
    if not users:
        return FoundBuyers(said=f"Stripe knows {what}, but nothing there is a user's of ours.")
    more = " Stripe has more than were looked at." if told.get("more") else ""
    return FoundBuyers(users, f"Several users bought with {what}.{more}" if len(users) > 1 else more.strip())


def _parked(operator: Operator, name: str) -> list[Row]:
    """Parked events of this id or this user; none where webhook-ingest doesn't answer: the search goes on without."""
    try:
        rows: list[Row] = operator.get(INGEST_SERVICE, "/operator/parked")
    except (CallFailed, NoTarget):
        return []
    return [row for row in rows if name in (row.get("id"), row.get("eventId"), row.get("userId"))]
