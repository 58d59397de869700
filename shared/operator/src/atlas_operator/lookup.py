"""Finds the user to whom an id belongs: a user id, or any id of Stripe's. The ledger is asked first, then Stripe."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE
from atlas_operator.client import Operator


@dataclass(frozen=True)
class Owner:
    """What is known of an id.

    ``users`` are those it belongs to, ``payments`` the ledger's payments of that id; ``recorded`` says whether the
    ledger knows the id, ``at_stripe`` whether Stripe had to be asked and knows it.
    """

    id: str
    users: tuple[str, ...] = ()
    payments: tuple[str, ...] = ()
    recorded: bool = False
    at_stripe: bool = False

    @property
    def known(self) -> bool:
        return self.recorded or self.at_stripe

    @property
    def is_user(self) -> bool:
        """Whether the id is itself a user's."""
        return self.id in self.users


def owner(operator: Operator, name: str, *, may_be_stripes: bool) -> Owner:
    """The owner of an id. Stripe is asked only if the ledger doesn't know the id and it looks like one of Stripe's.

    Raises CallFailed.
    """
    found = operator.get(ENTITLEMENTS_SERVICE, "/operator/find", id=name)
    users, payments = tuple(map(str, found.get("users", ()))), tuple(map(_payment_id, found.get("payments", ())))
    if found.get("known") and (users or not may_be_stripes):
        return Owner(name, users, payments, recorded=True)
    if not may_be_stripes:
        return Owner(name)
    told = operator.get(CHECKOUT_SERVICE, "/operator/whose", id=name)
    user = told.get("userId")
    stripes = tuple(str(told[key]) for key in ("paymentIntentId", "checkoutSessionId") if told.get(key))
    return Owner(
        name,
        (str(user),) if user else (),
        payments or stripes,
        recorded=bool(found.get("known")),
        at_stripe=bool(told.get("known")),
    )


def _payment_id(row: object) -> str:
    return str(row.get("id", "")) if isinstance(row, dict) else str(row)
