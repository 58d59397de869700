"""What the pages need from the rest of the gateway; they use nothing else of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from account_gateway.ports import Sessions
from atlas_contracts.public_api import BillingOverview, Entitlement


@dataclass(frozen=True, slots=True)
class PageDependencies:
    """Both reads raise Unavailable when a service behind them doesn't answer."""

    sessions: Sessions
    read_entitlement: Callable[[str], Awaitable[Entitlement]]
    read_overview: Callable[[str], Awaitable[BillingOverview]]
    sign_in: Callable[[str], str]
    """Where to sign in, to come back to a path on this origin."""
