"""Toasts that a page arrives with: why the browser was sent here, read from the query. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from account_gateway.entrypoints.pages import copy
from account_gateway.entrypoints.pages.account_state import AccountState
from atlas_contracts import unavailable
from atlas_contracts.public_api import ErrorCode


@dataclass(frozen=True, slots=True)
class Toast:
    text: str
    tone: Literal["success", "info", "warning", "error"] = "info"
    hint: str = ""
    key: str = ""
    """A later toast with the same key takes this one's place."""


UNAVAILABLE_FROM = {
    "/pro": unavailable.CHECKOUT,
    "/dev/sign-in": unavailable.CHECKOUT,
    "/account": unavailable.PORTAL,
}
"""Which service failed, by the page that the visitor came from: /pro has links to Checkout only, /account to the portal
only.
"""
REFUSED_WHILE = {
    AccountState.PROCESSING: copy.PAYMENT_PROCESSING,
    AccountState.NEEDS_REVIEW: copy.PAYMENT_IN_REVIEW,
}
"""Why Checkout was refused, by the state of the visitor's account; in any other state they are Pro already."""


def arrival_toasts(query: Mapping[str, str], state: AccountState, referer: str) -> list[Toast]:
    toasts = []
    if query.get("checkout") == "success":
        toasts.append(_success(state))
    elif query.get("checkout") == "cancel":
        toasts.append(_canceled(state))
    if code := query.get("billing_error"):
        toasts.append(_billing_error(code, state, referer))
    return toasts


def _success(state: AccountState) -> Toast:
    if state is AccountState.PRO:
        return Toast(copy.CHECKOUT_ACTIVE, "success", key="checkout")
    if state is AccountState.NEEDS_REVIEW:
        return Toast(copy.NEEDS_REVIEW, "warning", key="checkout")
    if state is AccountState.PROCESSING:
        return Toast(copy.PAYMENT_ON_ITS_WAY, key="checkout")
    if state is AccountState.SIGNED_OUT:
        return Toast(copy.CHECKOUT_SIGNED_OUT, key="checkout")
    return Toast(copy.CHECKOUT_CONFIRMING, key="checkout")


def _canceled(state: AccountState) -> Toast:
    """Whoever canceled in one tab may have paid in another: then the toast must not say that no charge was made."""
    match state:
        case AccountState.NEEDS_REVIEW:
            return Toast(copy.NEEDS_REVIEW, "warning", key="checkout")
        case AccountState.PROCESSING:
            return Toast(copy.PAYMENT_PROCESSING, key="checkout")
        case AccountState.PRO:
            return Toast(copy.PRO_ALREADY_ACTIVE, key="checkout")
        case _:
            return Toast(copy.CHECKOUT_CANCELED)


def _billing_error(code: str, state: AccountState, referer: str) -> Toast:
    text, recovery = copy.BILLING_ERRORS.get(code, copy.BILLING_ERRORS[ErrorCode.INTERNAL_ERROR])
    if code == ErrorCode.INVALID_REQUEST:
        text = REFUSED_WHILE.get(state, text)
    if text == unavailable.BILLING:
        text = UNAVAILABLE_FROM.get(urlsplit(referer).path, text)
    return Toast(text, "error", copy.HINTS[recovery])
