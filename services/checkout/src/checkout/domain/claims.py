"""What another app says of Stripe's ids: this customer, session or payment is that user's. Pure.

A claim proves nothing. Whose a session is, its metadata says, which a server of ours has set; the claim only says where
to look (docs/decisions/0015).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from atlas_contracts.billing import PRODUCT_PRO

Kind = Literal["session", "payment", "customer"]
ANOTHERS = "Stripe says that it is another user's"
NOBODYS = "its metadata at Stripe names no user: look whose it is, then ./atlas grant, or refund it"
OTHER_PRODUCT = f"it is not of {PRODUCT_PRO}"
NO_SESSION = "Stripe knows no checkout session of that id"
NO_CUSTOMER = "Stripe knows no such customer"
DELETED = "that customer was deleted at Stripe"
CUSTOMER_OF_ANOTHER = "that customer is another user's"
CUSTOMER_KEPT = "another customer of this user is known here already, and kept"


def kind_of(object_id: str) -> Kind:
    """What an id is of."""
    kinds: dict[str, Kind] = {"cs": "session", "cus": "customer"}
    return kinds.get(object_id.partition("_")[0], "payment")


class Claims:
    """Who claims which id, less what is settled already."""

    def __init__(self, claims: Iterable[tuple[str, Iterable[str]]]) -> None:
        self._users: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for user_id, object_ids in claims:
            for object_id in object_ids:
                self._users[object_id][user_id] = None
        self.total = len(self._users)

    def __len__(self) -> int:
        return len(self._users)

    @property
    def settled(self) -> int:
        return self.total - len(self._users)

    def left(self, *kinds: Kind) -> list[str]:
        """Ids of these kinds that are not settled, in the order in which they were claimed."""
        return [object_id for object_id in self._users if kind_of(object_id) in kinds]

    def on(self, object_ids: Iterable[str | None]) -> Iterator[tuple[str, str]]:
        """Each claim on one of these ids: user and id."""
        for object_id in dict.fromkeys(filter(None, object_ids)):
            for user_id in self._users.get(object_id, ()):
                yield user_id, object_id

    def settle(self, object_id: str) -> list[str]:
        """Take an id off; who claimed it."""
        return list(self._users.pop(object_id, ()))


def why_not(user_id: str, owner: str | None, session: Mapping[str, Any]) -> str | None:
    """Why a session is not to be taken for this user's; None when its metadata (or our own record) says that it is."""
    product = (session.get("metadata") or {}).get("productKey")
    if owner == user_id:
        return None
    if owner is not None:
        return ANOTHERS
    return OTHER_PRODUCT if product not in (None, PRODUCT_PRO) else NOBODYS


def in_words(because: str | None) -> str:
    """Why a payment that is the user's may not grant; ``because`` is the policy's word."""
    return f"it may not grant: {because}"
