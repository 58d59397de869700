"""What the pages may ask for: the seam between the API and ``account_gateway.entrypoints.pages``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from account_gateway.session.caller import Sessions
from atlas_contracts.public_api import BillingOverview, Entitlement

PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""No inline script or style, nothing from elsewhere. Links to hosted pages are navigations: no directive needed."""
SIGN_IN_CSP = PAGE_CSP.replace("form-action 'self'", "form-action 'self' http: https:")
"""Browsers apply form-action to each redirect after a form, and the sign-in may lead on to the hosted Checkout."""


@dataclass(frozen=True, slots=True)
class PageContext:
    """Both reads raise Unavailable when a service behind them doesn't answer."""

    sessions: Sessions
    read_entitlement: Callable[[str], Awaitable[Entitlement]]
    read_overview: Callable[[str], Awaitable[BillingOverview]]
    sign_in: Callable[[str], str]
    """Where to sign in, to come back to a path on this origin."""
    dev_sign_in: bool
