"""The operator's routes about the state bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from atlas_contracts.republishing import RepublishRequest, StatesCompared
from atlas_kit.http.doors import GuardedRoute
from atlas_kit.messaging.broker import Broker
from atlas_kit.storage.database import Database
from entitlements.adapters.rebuild_process import republish_process
from entitlements.adapters.state_bucket import StateBucket
from entitlements.entrypoints.operator import NDJSON
from entitlements.use_cases.compare_states import compare_states


def state_routes(database: Database, broker: Broker, bucket: StateBucket) -> APIRouter:
    """``/operator/states`` and ``/operator/republish``."""
    router = APIRouter(prefix="/operator", route_class=GuardedRoute)

    @router.get("/states")
    async def compare() -> StatesCompared:
        """The bucket compared with the projection; of very many users a sample."""
        return await compare_states(database.transaction, broker, bucket, whole=False)

    @router.post("/republish")
    async def republish(asked: RepublishRequest | None = None) -> StreamingResponse:
        """Write states and missing announcements again; progress and result are the answer, as NDJSON."""
        user = asked.user_id if asked else None
        return StreamingResponse(_lines([] if user is None else ["--user", user]), media_type=NDJSON)

    return router


async def _lines(options: list[str]) -> AsyncIterator[bytes]:
    async with republish_process(*options) as process:
        assert process.stdout
        said = b""
        async for line in process.stdout:
            said = line
            yield line
        if await process.wait() and b'"error"' not in said:
            yield b'{"error": "Republishing failed. See the log of the entitlements service for the reason."}\n'
