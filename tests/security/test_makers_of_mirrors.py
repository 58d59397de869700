"""Who may have a readers' mirror changed: its keeper alone, and none of our services by a copy that passes for a request."""

from __future__ import annotations

import asyncio
import json

from atlas_contracts.streams import ENTITLEMENTS, READERS_API
from support.broker_users import broker_with_users, connected, make_mirrors


async def _age_after_the_attack(url: str) -> tuple[float, float]:
    await make_mirrors(url)
    async with connected(url, "ingest") as ingest, connected(url, "observer") as reader:
        before = json.loads((await reader.request(f"$JS.API.STREAM.INFO.{ENTITLEMENTS.name}", b"")).data)["config"]
        await ingest.jetstream().add_stream(name="PARKED", subjects=["parked.v1.>"], allow_direct=True)
        stored = await ingest.jetstream().publish("parked.v1.x", json.dumps({**before, "max_age": 3600 * 10**9}).encode())
        update = f"{READERS_API}.STREAM.UPDATE.{ENTITLEMENTS.name}"
        await ingest.publish("$JS.API.DIRECT.GET.PARKED", json.dumps({"seq": stored.seq}).encode(), reply=update)
        await ingest.jetstream().stream_info("PARKED")  # answered after what was asked before
        await asyncio.sleep(0.5)  # nobody is told of a request that went nowhere; one that arrives takes milliseconds
        after = (await reader.jetstream().stream_info(ENTITLEMENTS.name)).config.max_age
    return before["max_age"] / 10**9, after or 0


def test_webhook_ingest_cannot_change_a_mirror_by_a_copy_of_what_it_stored() -> None:
    with broker_with_users() as url:
        before, after = asyncio.run(_age_after_the_attack(url))
    assert after == before
