"""The route that the web app calls when one of its users deletes their account."""

from __future__ import annotations

from fastapi import APIRouter

from atlas_contracts import unavailable
from atlas_contracts.callers import FORGET
from atlas_contracts.internal_api import ForgetResult
from atlas_contracts.issuers import APP
from atlas_contracts.user_id import UserId
from atlas_kit.http.doors import AdmittedCaller, GuardedRoute
from atlas_kit.http.errors import Forbidden
from checkout.entrypoints.failures import told_as
from checkout.use_cases.forget_user import Forgetting, forget_user

FORGET_SECONDS = 60
"""Some dozens of calls to Stripe, for a user with many sessions."""


def deletion_routes(forgetting: Forgetting) -> APIRouter:
    """``POST /internal/v1/users/{user}/forget``."""
    router = APIRouter(route_class=GuardedRoute)

    @router.post(FORGET)
    async def forget(caller: AdmittedCaller, user: UserId, even_if_paying: bool = False) -> ForgetResult:
        """Forget a user everywhere, as ``./atlas forget`` does; 409 while a payment of theirs is being processed."""
        if caller.subject not in (user, APP):
            raise Forbidden
        async with told_as(unavailable.FORGETTING, seconds=FORGET_SECONDS):
            return await forget_user(forgetting, user, even_if_paying=even_if_paying)

    return router
