"""What somebody typed into "Find a buyer". Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from atlas_contracts.user_id import MAX_USER_ID, is_user_id
from atlas_operator.terminal.checks import is_stripes

EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
INVOICE_NUMBER = re.compile(r"(?=.*[0-9])[A-Za-z0-9][A-Za-z0-9._/-]{2,63}", re.ASCII)
LINK = re.compile(r"plink_[A-Za-z0-9]+", re.ASCII)
WARNING = re.compile(r"issfr_[A-Za-z0-9]+", re.ASCII)


class Kind(StrEnum):
    """What a search is for."""

    NOTHING = "nothing"
    EMAIL = "email"
    STRIPES = "an id of Stripe's"
    LINK = "a payment link"
    WARNING = "a fraud warning"
    OURS = "a user's id, an invoice number or a parked event"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Query:
    """A search, without white space at its ends."""

    text: str
    kind: Kind

    @property
    def may_be_invoice(self) -> bool:
        """Whether it could be an invoice's number. Stripe's are ``ABCD1234-0001``, but a shop can choose others."""
        return self.kind is Kind.OURS and INVOICE_NUMBER.fullmatch(self.text) is not None


def understand(typed: str) -> Query:
    """What was typed, and what it is. Whatever has an @ is an e-mail, so that none is ever taken for something else."""
    text = typed.strip()
    return Query(text, _kind(text))


def _kind(text: str) -> Kind:
    if not text:
        return Kind.NOTHING
    if "@" in text:
        return Kind.EMAIL if EMAIL.fullmatch(text) and text.isprintable() else Kind.UNUSABLE
    if len(text) > MAX_USER_ID or not is_user_id(text):
        return Kind.UNUSABLE
    if LINK.fullmatch(text):
        return Kind.LINK
    if WARNING.fullmatch(text):
        return Kind.WARNING
    return Kind.STRIPES if is_stripes(text) else Kind.OURS
