"""The visitor of a page, and what is known about them. A page is shown even when the services behind don't answer."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from account_gateway.entrypoints.pages.account_state import AccountState, account_state
from account_gateway.entrypoints.pages.dependencies import PageDependencies
from atlas_contracts.public_api import BillingOverview
from atlas_kit.http.errors import AtlasError
from atlas_kit.process.logs import get_logger

log = get_logger()


@dataclass(frozen=True, slots=True)
class Visitor:
    user_id: str | None
    sessions_answer: bool = True
    """False when sessions can't be looked up, so that it isn't known whether this visitor is signed in."""


async def visitor_of(request: Request, pages: PageDependencies) -> Visitor:
    try:
        return Visitor(await pages.sessions.user_of(request.headers))
    except AtlasError as error:
        log.warning("page.sessions_unavailable", error=type(error).__name__)
        return Visitor(None, sessions_answer=False)


async def overview_of(user_id: str, pages: PageDependencies) -> BillingOverview | None:
    """None while the entitlements service doesn't answer."""
    try:
        return await pages.read_overview(user_id)
    except AtlasError as error:
        log.warning("page.overview_unavailable", userId=user_id, error=type(error).__name__)
        return None


async def state_to_sell_to(user_id: str | None, pages: PageDependencies) -> AccountState:
    """Where a visitor of the offer stands. FREE also when the service doesn't answer: the page then shows the upgrade
    link, and Checkout refuses whoever is Pro or has paid already.
    """
    if user_id is None:
        return AccountState.SIGNED_OUT
    try:
        return account_state(await pages.read_standing(user_id), None)
    except AtlasError as error:
        log.warning("page.entitlement_unavailable", userId=user_id, error=type(error).__name__)
        return AccountState.FREE
