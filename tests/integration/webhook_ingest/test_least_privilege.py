"""The door as its own NATS user: it can do its work, and nothing else."""

from __future__ import annotations

import asyncio

import nats
import nats.errors
import nats.js.errors
import pytest

from atlas_localstack.stack.permissions import GRANTS, accounts, inbox
from support.embedded import embedded_nats
from support.ingest import eventually, running_ingest
from support.stripe_events import purchase, session

GRANT = {"userId": "u", "action": "grant", "reason": "r", "idempotencyKey": "k"}


@pytest.fixture(scope="module")
def restricted():
    with embedded_nats(accounts({name: f"{name}-password" for name in GRANTS})) as url:
        yield url.replace("nats://", "nats://ingest:ingest-password@")


def test_with_its_own_rights_alone_the_door_does_all_its_work(restricted: str) -> None:
    changes = {"NATS_INBOX_PREFIX": inbox("ingest"), "BILLING_PULL_INTERVAL_SECONDS": "300"}
    with running_ingest(restricted, **changes) as ingest:
        bought = purchase()
        assert ingest.deliver(bought).json["data"]["appended"] is True
        assert ingest.deliver(bought).json["data"]["appended"] is False
        ingest.deliver(purchase(data={"object": session(note="a\0b")}))
        (row,) = ingest.operator("GET", "/operator/parked").json["data"]
        assert ingest.operator("POST", f"/operator/parked/{row['id']}/redrive", {}).status == 200
        lines = ingest.operator("POST", "/operator/pull", {}).body
        assert b"Stripe does not answer" in lines, "there is no Stripe here; the bucket was reached before"
        assert ingest.operator("POST", "/operator/adjustments", GRANT).json["data"]["appended"] is True
        assert ingest.operator("GET", "/operator/webhook-shares").json["data"]["received"] == 3
        eventually(lambda: ingest.logged("billing.pull.failed"))
        assert not [line for line in ingest.logged("broker.error") if "ermissions" in line.get("detail", "")]


@pytest.mark.parametrize(
    "forbidden",
    [
        "$JS.API.STREAM.DELETE.BILLING",
        "$JS.API.STREAM.PURGE.BILLING",
        "$JS.API.STREAM.PURGE.PARKED",
        "$JS.API.STREAM.UPDATE.BILLING",
        "$JS.API.STREAM.MSG.DELETE.PARKED",
        "$JS.API.STREAM.MSG.GET.BILLING",
        "$JS.API.DIRECT.GET.BILLING",
        "$JS.API.CONSUMER.CREATE.BILLING",
        "$JS.API.CONSUMER.DELETE.BILLING.entitlements-projector",
        "entitlements.v1.entitlement_granted",
    ],
)
def test_what_the_door_may_not_do_is_refused_by_the_broker(restricted: str, forbidden: str) -> None:
    async def attempt() -> list[str]:
        refused: list[str] = []

        async def on_error(error: Exception) -> None:
            refused.append(str(error))

        client = await nats.connect(restricted, inbox_prefix=inbox("ingest").encode(), error_cb=on_error)
        with pytest.raises((nats.errors.Error, nats.js.errors.Error, TimeoutError)):
            await client.request(forbidden, b'{"seq":1}', timeout=0.5)
        for _ in range(50):
            if refused:
                break
            await asyncio.sleep(0.02)
        await client.close()
        return refused

    assert any("permissions violation" in text.lower() for text in asyncio.run(attempt()))
