"""The routes about one user's parked events: forgetting them, and all of them for an export."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from atlas_contracts.callers import FORGET
from atlas_contracts.internal_api import ForgottenParked
from atlas_contracts.public_api import Success
from atlas_contracts.user_id import UserId
from atlas_kit.http.doors import AdmittedCaller, GuardedRoute
from atlas_kit.http.errors import Forbidden
from webhook_ingest.adapters.parked_reader import Parked, ParkedReader
from webhook_ingest.domain.parked_user import mentions
from webhook_ingest.ports import Publisher
from webhook_ingest.use_cases.forget_parked import forget_parked


def user_routes(parked: ParkedReader, stream: Publisher) -> APIRouter:
    """``POST /internal/v1/users/{user}/forget``, this service's part of it, and ``GET /operator/kept``."""
    router = APIRouter(route_class=GuardedRoute)

    @router.post(FORGET)
    async def forget(caller: AdmittedCaller, user: UserId) -> ForgottenParked:
        """Take the user's parked events out of every list and redrive."""
        if caller.subject != user:
            raise Forbidden
        return await forget_parked(parked, stream, user)

    @router.get("/operator/kept")
    async def read_kept(user: UserId) -> Success[list[dict[str, Any]]]:
        """Every parked event that mentions the user, whole, with its redrives and dismissal."""
        mine = [each for each in await parked.everything() if not each.forgotten and mentions(each.data, user)]
        return Success(data=[_whole(each) for each in mine])

    return router


def _whole(parked: Parked) -> dict[str, Any]:
    history = [marker.model_dump(mode="json", by_alias=True) for marker in parked.redriven]
    note = {"dismissed": parked.dismissed.model_dump(mode="json", by_alias=True)} if parked.dismissed else {}
    return {**parked.data.model_dump(mode="json", by_alias=True), "redriven": history, **note}
