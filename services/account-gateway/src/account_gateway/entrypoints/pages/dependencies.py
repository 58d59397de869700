"""What the pages need from the rest of the gateway; they use nothing else of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from account_gateway.ports import Sessions
from atlas_contracts.billing import Offer
from atlas_contracts.public_api import BillingOverview


@dataclass(frozen=True, slots=True)
class SignOut:
    """Where a session is ended."""

    url: str
    by_form: bool = False
    """True for a POST of ours; False for a page of the web app, which asks before it ends anything."""


async def no_offers() -> tuple[Offer, ...]:
    """Where nobody knows the price."""
    return ()


@dataclass(frozen=True, slots=True)
class PageDependencies:
    """Both reads raise Unavailable when a service behind them doesn't answer."""

    sessions: Sessions
    read_standing: Callable[[str], Awaitable[BillingOverview]]
    """Entitlement and payment, without asking whether a billing portal exists."""
    read_overview: Callable[[str], Awaitable[BillingOverview]]
    sign_in: Callable[[str], str]
    """Where to sign in, to come back to a path on this origin."""
    offers: Callable[[], Awaitable[tuple[Offer, ...]]] = no_offers
    """What Pro costs, in every currency of the price; none while it isn't known. Never waits long, never raises."""
    sign_out: SignOut | None = None
    """None: this gateway doesn't know where sessions end, so that no page offers it."""
