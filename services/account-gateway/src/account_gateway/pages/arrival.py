"""Toasts that a page arrives with: why the browser was sent here, read from the query. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from account_gateway.pages import copy
from account_gateway.pages.standing import Standing
from atlas_contracts.public_api import ErrorCode


@dataclass(frozen=True, slots=True)
class Toast:
    text: str
    tone: Literal["success", "info", "warning", "error"] = "info"
    hint: str = ""
    key: str = ""
    """A later toast with the same key takes this one's place."""


UNAVAILABLE_FROM = {
    "/pro": copy.CHECKOUT_UNAVAILABLE,
    "/dev/sign-in": copy.CHECKOUT_UNAVAILABLE,
    "/account": copy.PORTAL_UNAVAILABLE,
}
"""The page whose link failed tells which service it was: /pro leads to Checkout alone, /account to the portal alone."""


REFUSED_WHILE = {
    Standing.PROCESSING: copy.PAYMENT_PROCESSING,
    Standing.NEEDS_REVIEW: copy.PAYMENT_IN_REVIEW,
}
"""Why Checkout was refused, by where the visitor stands; else they are Pro already."""


def arrival_toasts(query: Mapping[str, str], standing: Standing, referer: str) -> list[Toast]:
    toasts = []
    if query.get("checkout") == "success":
        toasts.append(_success(standing))
    elif query.get("checkout") == "cancel":
        toasts.append(_canceled(standing))
    if code := query.get("billing_error"):
        toasts.append(_billing_error(code, standing, referer))
    return toasts


def _success(standing: Standing) -> Toast:
    if standing is Standing.PRO:
        return Toast(copy.CHECKOUT_ACTIVE, "success", key="checkout")
    if standing is Standing.NEEDS_REVIEW:
        return Toast(copy.NEEDS_REVIEW, "warning", key="checkout")
    if standing is Standing.SIGNED_OUT:
        return Toast(copy.CHECKOUT_SIGNED_OUT, key="checkout")
    return Toast(copy.CHECKOUT_CONFIRMING, key="checkout")


def _canceled(standing: Standing) -> Toast:
    """Whoever left one tab may have paid in another: where money came, nobody reads that none did."""
    match standing:
        case Standing.NEEDS_REVIEW:
            return Toast(copy.NEEDS_REVIEW, "warning", key="checkout")
        case Standing.PROCESSING:
            return Toast(copy.PAYMENT_PROCESSING, key="checkout")
        case Standing.PRO:
            return Toast(copy.PRO_ALREADY_ACTIVE, key="checkout")
        case _:
            return Toast(copy.CHECKOUT_CANCELED)


def _billing_error(code: str, standing: Standing, referer: str) -> Toast:
    text, recovery = copy.BILLING_ERRORS.get(code, copy.BILLING_ERRORS[ErrorCode.INTERNAL_ERROR])
    if code == ErrorCode.INVALID_REQUEST:
        text = REFUSED_WHILE.get(standing, text)
    if text == copy.BILLING_UNAVAILABLE:
        text = UNAVAILABLE_FROM.get(urlsplit(referer).path, text)
    return Toast(text, "error", copy.HINTS[recovery])
