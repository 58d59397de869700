"""Whether a checkout session is ours: one rule for the policy that grants and for the audit that checks it.

Pure. The entitlements service applies it to what is in the ledger, the checkout service to what Stripe shows now, so a
payment is refused for the same reason everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from atlas_contracts.billing import PRODUCT_PRO, Offer


class Session(Protocol):
    """The fields of a session that the rule needs; CheckoutSessionFacts and the ledger's snapshot have them."""

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
    """The price in each currency, as (amount in minor units, currency): one of these must have been paid."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator of this installation decided (CONTRACT 5, 11)."""

    currencies: Collection[str] = ("usd",)
    """Accepted currencies of sessions that the checkout service did not record."""
    require_known_session: bool = False
    livemode: bool | None = None
    """True or False: only sessions of that mode are ours. None: those of the other mode were refused before."""


def recorded_offers(amount: int, currency: str, offers: Iterable[Offer]) -> frozenset[tuple[int, str]]:
    """Every (amount, currency) in which a recorded session may be paid. Older records have no ``offers``."""
    return frozenset({(amount, currency), *((offer.amount, offer.currency) for offer in offers)})


def why_not_ours(session: Session, user_id: str | None, record: Record | None, rules: Rules) -> str | None:
    """Why a session may not grant, even if it is paid, in a stable word; None when it may.

    ``user_id`` is the user in the session's metadata; ``record`` is None for a session that we did not record.
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
    """Whether a session names another product and was not made by us. Such a session is ignored without a review."""
    return not recorded and product_key is not None and product_key != PRODUCT_PRO


def _against_record(session: Session, user_id: str | None, record: Record) -> list[tuple[str, bool]]:
    """Reasons to refuse a session that we made and that differs from what we asked for.

    The subtotal is compared, because taxes and discounts change only the total.
    """
    free = session.payment_status == "no_payment_required"
    asked = session.amount_total if session.amount_subtotal is None else session.amount_subtotal
    currencies = {currency for _, currency in record.offers}
    return [
        ("other_user_than_recorded", user_id != record.user_id),
        ("other_currency_than_recorded", session.currency not in currencies),
        ("other_amount_than_recorded", not free and (asked, session.currency) not in record.offers),
    ]


def _unrecorded(session: Session, rules: Rules) -> list[tuple[str, bool]]:
    """Reasons to refuse a session without a record: only its currency, and that it has an amount, can be checked."""
    free = session.payment_status == "no_payment_required"
    return [
        ("unknown_session", rules.require_known_session),
        ("other_currency", session.currency not in rules.currencies),
        ("no_amount", not free and not session.amount_total),
    ]
