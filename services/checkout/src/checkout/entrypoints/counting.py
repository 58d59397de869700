"""The route by which all replicas of the gateway count one user's requests together."""

from __future__ import annotations

from fastapi import APIRouter

from atlas_contracts.request_counts import REQUEST_COUNTS, CountRequest, RequestCount
from atlas_kit.http.doors import AdmittedCaller, GuardedRoute
from atlas_kit.storage.database import Database
from checkout.adapters.request_counts import count_request


def counting_routes(database: Database) -> APIRouter:
    router = APIRouter(route_class=GuardedRoute)

    @router.post(REQUEST_COUNTS)
    async def count(caller: AdmittedCaller, asked: CountRequest) -> RequestCount:
        """Only counts. What is too many is the gateway's to say, which has the limits."""
        told, ends_in = await count_request(database, caller.subject, asked.limit, asked.seconds)
        return RequestCount(count=told, ends_in=ends_in)

    return router
