"""Find the user and the payment of an object at Stripe: for an operator who has an id and nothing else."""

from __future__ import annotations

from typing import Any

from atlas_contracts.internal_api import Whose
from atlas_kit.storage.database import Database, fetch_one
from atlas_stripe.failure import StripeFailure
from atlas_stripe.objects import StripeObject, reference
from checkout.ports import ObjectReads


async def find_owner(database: Database, stripe: ObjectReads, object_id: str) -> Whose:
    """The user and the payment that an id of Stripe's belongs to; ``known`` is false where Stripe has no such object.

    Raises StripeFailure.
    """
    body = await _read(stripe, object_id)
    return Whose(known=False) if body is None else await owner_of(database, stripe, body)


async def owner_of(database: Database, stripe: ObjectReads, body: StripeObject) -> Whose:
    """The user and the payment that an object of Stripe's belongs to. Raises StripeFailure."""
    if body.get("object") == "event":
        body = body["data"]["object"]
    session = await _session_of(stripe, body)
    charge = await _charge_of(stripe, body) if session is None else None
    if charge is not None:
        session = await _session_of(stripe, charge)
    user = await _user(database, session, body, charge or {})
    return Whose(
        known=True,
        user_id=user,
        checkout_session_id=str(session["id"]) if session else None,
        payment_intent_id=_intent(session or charge or body),
    )


async def _read(stripe: ObjectReads, object_id: str) -> StripeObject | None:
    try:
        found = await stripe.read_object(object_id)
    except StripeFailure as failure:
        if failure.is_missing:
            return None
        raise
    return found.body if found else None


async def _session_of(stripe: ObjectReads, body: StripeObject) -> StripeObject | None:
    """The checkout session that an object came from."""
    if body.get("object") == "checkout.session":
        return body
    if intent := _intent(body):
        return await _first(stripe, payment_intent=intent)
    customer = reference(body, "customer")
    if body.get("object") == "invoice" and customer:
        return await _first(stripe, invoice=str(body["id"]), customer=customer)
    return None


async def _first(stripe: ObjectReads, *, invoice: str | None = None, **filters: Any) -> StripeObject | None:
    async for session in stripe.sessions(**filters):
        if invoice is None or reference(session.body, "invoice") == invoice:
            return session.body
    return None


async def _charge_of(stripe: ObjectReads, body: StripeObject) -> StripeObject | None:
    """The charge of a refund or dispute (or of an event about a fraud warning) that names no payment."""
    charge = reference(body, "charge")
    return await _read(stripe, charge) if charge and not _intent(body) else None


def _intent(body: StripeObject) -> str | None:
    return str(body["id"]) if body.get("object") == "payment_intent" else reference(body, "payment_intent")


async def _user(database: Database, session: StripeObject | None, *bodies: StripeObject) -> str | None:
    """The user of our own record of the session; else of the metadata; else of our table of customers."""
    if session and (recorded := await _recorded(database, "checkout_attempts", "checkout_session_id", session["id"])):
        return recorded
    for body in (session or {}, *bodies):
        if user := (body.get("metadata") or {}).get("userId"):
            return str(user)
    customers = [body["id"] for body in bodies if body.get("object") == "customer"]
    return await _recorded(database, "customers", "customer_id", customers[0]) if customers else None


async def _recorded(database: Database, table: str, column: str, value: str) -> str | None:
    async with database.transaction() as connection:
        row = await fetch_one(
            connection,
            f"SELECT user_id FROM {table} WHERE {column} = %s LIMIT 1",  # noqa: S608 - names of our own
            value,
        )
    return str(row[0]) if row else None
