"""A past: thousands of old sessions with their payments, refunds and disputes, made at once and told to nobody.

For tests of what reads Stripe's lists (backfill, import, audit). Everything is made by the same use cases as anything
else, each at its own time; the events that it would have made were sent, and forgotten, long ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stripe_sandbox.errors import StripeError, invalid, unknown
from stripe_sandbox.operation import Operation, change
from stripe_sandbox.resources import buying, checkout, disputes, links, refunds
from stripe_sandbox.resources.customers import new_customer
from stripe_sandbox.resources.payment_methods import Buyer
from stripe_sandbox.store import Json

MAX_BODY = 20_000_000
MAX_SESSIONS = 20_000
OUTCOMES = ("paid", "processing", "failed", "expired")
NAMES = frozenset(
    [
        "metadata", "payment_intent_metadata", "created", "outcome", "amount", "currency", "customer", "email",
        "client_reference_id", "payment_link", "refunds", "disputes",
    ]
)  # fmt: skip
REFUND_NAMES = frozenset(["amount", "status", "created"])
DISPUTE_NAMES = frozenset(["amount", "status", "detached", "created"])
AFTERWARDS = 3600  # seconds from a session to its refund or dispute, where no time is given


class Past(Operation):
    """An operation whose events are told to nobody."""

    def emit(self, *_event: object, **_more: object) -> Json:
        """Nothing: see the module."""
        return {}


def seed(op: Operation, body: Json, _identifier: str) -> Json:
    """Make the sessions; what was made of each, in the same order."""
    given = body.get("sessions")
    if not isinstance(given, list) or len(given) > MAX_SESSIONS or not all(isinstance(one, dict) for one in given):
        raise invalid(f"sessions must be a list of at most {MAX_SESSIONS} objects.", "sessions")
    for one in given:
        check(op, one)
    try:
        return {"data": [made(op, one) for one in given]}
    finally:
        for collection in op.store.collections.values():
            collection.sort()


def check(op: Operation, given: Json) -> None:
    """Refuse what makes no sense before anything is made."""
    only(given, NAMES)
    for name, allowed in (("refunds", REFUND_NAMES), ("disputes", DISPUTE_NAMES)):
        items = given.get(name, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise invalid(f"{name} must be a list of objects.", name)
        for item in items:
            only(item, allowed)
    if given.get("outcome", "paid") not in OUTCOMES:
        raise invalid(f"Invalid outcome: must be one of {', '.join(OUTCOMES)}", "outcome")
    for when in moments(given):
        if not isinstance(when, int) or isinstance(when, bool) or not 0 < when <= op.now:
            raise invalid("created must be a time in seconds since 1970 that is over.", "created")


def moments(given: Json) -> Iterator[object]:
    """Every time that is given."""
    for item in (given, *given.get("refunds", []), *given.get("disputes", [])):
        if "created" in item:
            yield item["created"]


def only(given: Json, names: Iterable[str]) -> None:
    """Refuse what isn't known here."""
    for name in given:
        if name not in names:
            raise unknown(name)


def made(op: Operation, given: Json) -> Json:
    """One session and what followed."""
    created = given.get("created", op.now)
    past = Past(op.world, created)
    buyer = Buyer(email=given.get("email"))
    session = link_bought(past, given, buyer) if given.get("payment_link") else session_made(past, given, buyer)
    later = min(created + AFTERWARDS, op.now)
    intent = past.store.get("payment_intent", session["payment_intent"] or "") or {}
    charge = intent.get("latest_charge")
    return {
        "id": session["id"],
        "created": created,
        "customer": session["customer"],
        "payment_intent": session["payment_intent"],
        "charge": charge,
        "refunds": [refund_made(op, charge, item, later) for item in given.get("refunds", [])],
        "disputes": [dispute_made(op, charge, item, later) for item in given.get("disputes", [])],
    }


def session_made(past: Past, given: Json, buyer: Buyer) -> Json:
    """A session as somebody's server made it, and what became of it."""
    params: Json = {
        "mode": "payment",
        "line_items": items_of(past, given),
        "metadata": given.get("metadata", {}),
        "success_url": past.settings.public_url + "/",
        "payment_intent_data": {"metadata": given.get("payment_intent_metadata", {})},
    }
    if given.get("client_reference_id"):
        params["client_reference_id"] = given["client_reference_id"]
    if given.get("customer"):
        params["customer"] = customer_of(past, given["customer"], buyer)
    session = checkout.create(past, params)
    outcome = given.get("outcome", "paid")
    if outcome == "expired":
        checkout.close(past, session)
        return session
    session = buying.pay(past, session["id"], "processing" if outcome in ("processing", "failed") else "paid", buyer)
    return buying.settle(past, session["id"], "failed") if outcome == "failed" else session


def link_bought(past: Past, given: Json, buyer: Buyer) -> Json:
    """A session that a payment link made."""
    params = {"line_items": items_of(past, given), "metadata": given.get("metadata", {})}
    extra = {name: given[name] for name in ("client_reference_id",) if given.get(name)}
    return links.pay_link(past, links.create(past, params)["id"], "paid", buyer, extra)


def items_of(past: Past, given: Json) -> list[Json]:
    """What is sold: the configured price, or any amount."""
    if "amount" not in given and "currency" not in given:
        return [{"price": past.settings.price_id, "quantity": 1}]
    price = {
        "currency": given.get("currency", "usd"),
        "unit_amount": given.get("amount", 4900),
        "product_data": {"name": "Something"},
    }
    return [{"price_data": price, "quantity": 1}]


def customer_of(past: Past, given: object, buyer: Buyer) -> str:
    """The customer of that id, or a new one for ``true``."""
    if isinstance(given, str):
        return given
    return str(new_customer(past, {"email": buyer.email or buying.SOMEBODY})["id"])


def refund_made(op: Operation, charge: str | None, given: Json, later: int) -> str:
    """A refund of the charge: in full or in part, which may have failed."""
    past = Past(op.world, given.get("created", later))
    if charge is None:
        raise StripeError("A session without a charge has nothing to refund.", param="refunds")
    status = given.get("status", "succeeded")
    params: Json = {"charge": charge, **({"amount": given["amount"]} if "amount" in given else {})}
    refund = refunds.new_refund(past, params, "succeeded" if status in ("failed", "canceled") else status)
    if status == "failed":
        refunds.fail(past, refund["id"])
    elif status == "canceled":
        change(refund, status="canceled")
        refunds.end(past, refund, {}, None)
    return str(refund["id"])


def dispute_made(op: Operation, charge: str | None, given: Json, later: int) -> str:
    """A dispute of the charge in any status."""
    past = Past(op.world, given.get("created", later))
    if charge is None:
        raise StripeError("A session without a charge can't be disputed.", param="disputes")
    wanted: Json = {name: given[name] for name in ("status", "amount", "detached") if name in given}
    return str(disputes.opened(past, {"charge": charge, **wanted})["id"])
