"""Who may have a readers' mirror changed: its keeper alone, and none of our services by a copy that passes for a request."""

from __future__ import annotations

import asyncio
import json

import nats
from nats.aio.client import Client

from atlas_contracts.streams import ENTITLEMENTS, READERS_API, STATE, STREAMS
from atlas_kit.messaging.retention.mirrors import apply_mirrors
from atlas_localstack.stack import permissions
from support.embedded import embedded_nats

PASSWORDS = {user: f"password-of-{user}" for user in permissions.GRANTS}


async def _connected(url: str, user: str) -> Client:
    return await nats.connect(url, user=user, password=PASSWORDS[user], inbox_prefix=permissions.inbox(user).encode())


async def _age_after_the_attack(url: str) -> tuple[float, float]:
    await apply_mirrors(*(url.replace("://", f"://{user}:{PASSWORDS[user]}@") for user in ("keeper", "mirrors")), (*STREAMS, STATE), 1)
    ingest, reader = await _connected(url, "ingest"), await _connected(url, "observer")
    before = json.loads((await reader.request(f"$JS.API.STREAM.INFO.{ENTITLEMENTS.name}", b"")).data)["config"]
    await ingest.jetstream().add_stream(name="PARKED", subjects=["parked.v1.>"], allow_direct=True)
    stored = await ingest.jetstream().publish("parked.v1.x", json.dumps({**before, "max_age": 3600 * 10**9}).encode())
    update = f"{READERS_API}.STREAM.UPDATE.{ENTITLEMENTS.name}"
    await ingest.publish("$JS.API.DIRECT.GET.PARKED", json.dumps({"seq": stored.seq}).encode(), reply=update)
    await ingest.jetstream().stream_info("PARKED")  # answered after what was asked before
    await asyncio.sleep(0.5)
    after = (await reader.jetstream().stream_info(ENTITLEMENTS.name)).config.max_age
    await ingest.close()
    await reader.close()
    return before["max_age"] / 10**9, after or 0


def test_webhook_ingest_cannot_change_a_mirror_by_a_copy_of_what_it_stored() -> None:
    with embedded_nats(permissions.accounts(PASSWORDS)) as url:
        before, after = asyncio.run(_age_after_the_attack(url))
    assert after == before
