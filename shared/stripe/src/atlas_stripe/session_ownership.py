"""Whether a checkout session is ours: the one rule, for the policy that grants and for the audit that checks it.

Pure. The entitlements service asks it about what the ledger knows, the checkout service about what Stripe says now;
so a payment is refused for the same reason wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from atlas_contracts.billing import PRODUCT_PRO, Offer


class Session(Protocol):
    """What a session says of itself (``CheckoutSessionFacts``, and the ledger's snapshot of it)."""

    @property
    def payment_status(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def amount_subtotal(self) -> int | None: ...
    @property
    def amount_total(self) -> int | None: ...
    @property
    def currency(self) -> str | None: ...
    @property
    def livemode(self) -> bool: ...
    @property
    def payment_link(self) -> bool: ...
    @property
    def product_key(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Record:
    """What the checkout service asked for when it made the session."""

    user_id: str
    offers: frozenset[tuple[int, str]]
    """What the price asks, in minor units, with its currency: one of these must have been paid."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator of this installation decided (CONTRACT 5, 11)."""

    currencies: Collection[str] = ("usd",)
    """Of sessions that nobody recorded."""
    require_known_session: bool = False
    livemode: bool | None = None
    """True or False: only sessions of that mode are ours. None: events of the other mode were refused before."""


def recorded_offers(amount: int, currency: str, offers: Iterable[Offer]) -> frozenset[tuple[int, str]]:
    """Every (amount, currency) that a recorded session may be paid with; older records name the price's own alone."""
    return frozenset({(amount, currency), *((offer.amount, offer.currency) for offer in offers)})


def why_not_ours(session: Session, user_id: str | None, record: Record | None, rules: Rules) -> str | None:
    """Why a session may not grant, whatever it says about payment; None when it is ours.

    ``user_id`` is what the session's metadata says.
    """
    refusals = [
        ("no_user_in_metadata", user_id is None),
        ("other_product", session.product_key != PRODUCT_PRO),
        ("not_a_one_time_payment", session.mode != "payment"),
        ("made_by_a_payment_link", session.payment_link),
        ("other_livemode", rules.livemode is not None and session.livemode != rules.livemode),
        *(_against_record(session, user_id, record) if record else _unrecorded(session, rules)),
    ]
    return next((reason for reason, refused in refusals if refused), None)


def is_somebody_elses(product_key: str | None, *, recorded: bool) -> bool:
    """Whether a session names another product and was not made by us: it is ignored, and nobody has to review it."""
    return not recorded and product_key is not None and product_key != PRODUCT_PRO


def _against_record(session: Session, user_id: str | None, record: Record) -> list[tuple[str, bool]]:
    """A session that we made must be what we asked for. Taxes and discounts change the total, not the subtotal."""
    free = session.payment_status == "no_payment_required"
    asked = session.amount_total if session.amount_subtotal is None else session.amount_subtotal
    currencies = {currency for _, currency in record.offers}
    return [
        ("other_user_than_recorded", user_id != record.user_id),
        ("other_currency_than_recorded", session.currency not in currencies),
        ("other_amount_than_recorded", not free and (asked, session.currency) not in record.offers),
    ]


def _unrecorded(session: Session, rules: Rules) -> list[tuple[str, bool]]:
    """Of a session that nobody recorded the amount can't be checked, but currency and amount above zero can."""
    free = session.payment_status == "no_payment_required"
    return [
        ("unknown_session", rules.require_known_session),
        ("other_currency", session.currency not in rules.currencies),
        ("no_amount", not free and not session.amount_total),
    ]
