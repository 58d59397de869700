"""Computes the amounts of a checkout session: in one of its prices' currencies, with its discount and its tax.

The subtotal is the sum of the prices; only choosing another currency changes it. The tax is always 10 % of the amount
after the discount: added to it, or contained in it if the price's ``tax_behavior`` is ``inclusive``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from stripe_sandbox.errors import invalid
from stripe_sandbox.operation import Operation
from stripe_sandbox.resources import coupons
from stripe_sandbox.resources.offers import cost, offers
from stripe_sandbox.store import Json

TAX_PERCENT = 10
MIN_AMOUNT = 50  # Stripe's smallest charge, in minor units of usd


@dataclass(frozen=True, slots=True)
class Totals:
    """Minor units of one currency."""

    currency: str
    subtotal: int
    discount: int
    tax: int
    total: int


def amount_in(op: Operation, price: Json, currency: str | None, param: str) -> tuple[str, Decimal]:
    """The currency asked for (else the price's own) and what one piece costs in it."""
    offered = offers(op, price)
    wanted = currency or price["currency"]
    if wanted not in offered:
        raise invalid(
            f"The price specified only supports `{'`, `'.join(offered)}`. This doesn't match the expected currency: "
            f"`{wanted}`.",
            param,
        )
    return wanted, offered[wanted]


def add_up(items: list[Json], off: Callable[[int, str], int], *, taxed: bool) -> Totals:
    """Spread a discount over the items (the last one takes the rounding difference), add the tax, and sum up.

    ``off`` returns the discount in minor units for a subtotal and its currency.
    """
    currency = items[0]["currency"]
    subtotal = sum(item["amount_subtotal"] for item in items)
    discount = off(subtotal, currency)
    left = discount
    for item in items:
        share = left if item is items[-1] else discount * item["amount_subtotal"] // (subtotal or 1)
        left -= share
        tax_item(item, item["amount_subtotal"] - share, taxed=taxed)
        item["amount_discount"] = share
    tax, total = (sum(item[name] for item in items) for name in ("amount_tax", "amount_total"))
    return Totals(currency, subtotal, discount, tax, total)


def tax_item(item: Json, net: int, *, taxed: bool) -> None:
    """Set an item's tax and total; ``net`` is its price after the discount, in minor units."""
    inclusive = item["price"]["tax_behavior"] == "inclusive"
    base = 100 + TAX_PERCENT if inclusive else 100
    item["amount_tax"] = round(net * TAX_PERCENT / base) if taxed else 0
    item["amount_total"] = net if inclusive else net + item["amount_tax"]


def reckon(op: Operation, session: Json, *, currency: str | None = None) -> None:
    """Compute an open session's amounts again, after a change of its discounts, its tax, or its currency.

    Raises StripeError before anything is changed.
    """
    private = op.private(session["id"])
    items = [dict(item) for item in private["line_items"]]
    for item in items:
        item["currency"], amount = amount_in(op, item["price"], currency or session["currency"], "currency")
        item["amount_subtotal"] = cost(amount, item["quantity"])
    coupon = private["coupon"] if session["discounts"] else None
    taxed = session["automatic_tax"]["status"] == "complete"
    totals = add_up(items, lambda subtotal, unit: coupons.amount_off(op, coupon, subtotal, unit), taxed=taxed)
    require_enough(session["mode"], totals, "line_items")
    show(session, totals)
    op.put_private(session["id"], {**private, "line_items": items})
    op.put(session)


def show(session: Json, totals: Totals) -> None:
    """Write totals into a session."""
    session.update(
        currency=totals.currency,
        amount_subtotal=totals.subtotal,
        amount_total=totals.total,
        total_details={"amount_discount": totals.discount, "amount_shipping": 0, "amount_tax": totals.tax},
        payment_status="unpaid" if totals.total else "no_payment_required",
    )


def require_enough(mode: str, totals: Totals, param: str) -> None:
    """Raise StripeError for a total that is too small for a card payment, but not zero."""
    if mode == "payment" and 0 < totals.total < MIN_AMOUNT:
        raise invalid(
            "The Checkout Session's total amount due must add up to at least $0.50 usd", param, "amount_too_small"
        )
