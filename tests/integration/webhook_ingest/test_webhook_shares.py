"""What share of the last hour's webhooks had a wrong signature or were thin: counted, and kept over a restart."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from atlas_devstack.servers.ports import LOOPBACK
from atlas_kit.messaging import Broker, BrokerUnavailable
from support.ingest import PATH, Ingest, eventually, running_ingest
from support.stripe_events import body_of, purchase, signature
from webhook_ingest.bucket import Bucket
from webhook_ingest.webhook_shares import WebhookShares

pytestmark = pytest.mark.anyio
THIN = {
    "id": "evt_thin", "object": "v2.core.event", "type": "v1.billing.meter.no_meter_found", "livemode": False,
    "created": "2026-11-23T10:00:00.000Z", "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/x"},
}  # fmt: skip


def shares(ingest: Ingest) -> dict[str, int]:
    told = ingest.operator("GET", "/operator/webhook-shares").json["data"]
    return {name: count for name, count in told.items() if name != "accountKnown" and count}


def test_each_delivery_is_counted_by_what_was_wrong_with_it_and_a_restart_forgets_nothing(nats_url: str) -> None:
    with running_ingest(nats_url) as ingest:
        body = body_of(purchase())
        assert ingest.post(body).status == 200
        for header in (signature(body, "whsec_another"), "nonsense", signature(body + b" ")):
            assert ingest.post(body, header).status == 403
        assert ingest.post(body, signature(body, at=time.time() - 3600)).status == 403
        assert ingest.request("POST", PATH, body).status == 403
        answer = ingest.deliver(THIN)
        assert (answer.status, answer.json["error"]["message"]) == (400, "Invalid webhook payload.")
        expected = {"received": 7, "wrongSignature": 3, "outsideTolerance": 1, "unsigned": 1, "thin": 1}
        assert shares(ingest) == expected
        assert ingest.metric('atlas_webhooks_rejected_total{reason="thin_event"}') == 1
        assert ingest.post(body, "nonsense").status == 403
    with running_ingest(nats_url) as ingest:
        expected |= {"received": 8, "wrongSignature": 4}
        assert shares(ingest) == expected
        ingest.deliver(purchase())
        ingest.process.kill()  # without a chance to write, what was said a moment ago may be lost, and no more
    with running_ingest(nats_url) as ingest:
        assert shares(ingest) in (expected, expected | {"received": 9})


def test_it_is_written_without_anybody_asking(ingest: Ingest) -> None:
    ingest.post(body_of(purchase()), "nonsense")

    def written() -> bool:
        async def keys(client) -> list[str]:
            return list(await (await client.jetstream().key_value("INGEST")).keys())

        try:
            return "webhook-shares" in ingest.ask(keys)
        except Exception:  # no bucket yet
            return False

    eventually(written)


def test_an_upload_that_the_client_breaks_off_is_no_error_of_ours(ingest: Ingest) -> None:
    with socket.create_connection((LOOPBACK, ingest.port)) as client:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nStripe-Signature: t=1,v1=0\r\n\r\n"
        client.sendall(head.encode() + b"half of")
    ingest.deliver(purchase())
    eventually(lambda: ingest.metric("atlas_http_connections{") or True)
    assert ingest.metric('atlas_http_requests_total{method="POST",route="/api/billing/stripe/webhook",status="500"') == 0
    assert not ingest.logged("http.unhandled_error")
    assert shares(ingest) == {"received": 1}


@pytest.fixture
async def broker(nats_url: str) -> AsyncIterator[Broker]:
    broker = Broker(SecretStr(nats_url), "test")
    await broker.start()
    await asyncio.wait_for(broker.connected.wait(), 10)
    yield broker
    await broker.close()


async def test_two_replicas_count_into_one_sum_and_only_the_last_hour_counts(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    replicas = [WebhookShares(Bucket(broker, 1)) for _ in range(2)]
    monkeypatch.setattr("webhook_ingest.webhook_shares.time.time", lambda: now - 61 * 60)
    replicas[0].count("mismatch")
    await replicas[0].write()
    monkeypatch.setattr("webhook_ingest.webhook_shares.time.time", lambda: now)
    for replica in replicas:
        replica.count("mismatch")
        replica.count()
    await asyncio.gather(*(replica.write() for replica in replicas * 3))
    for replica in replicas:
        assert await replica.last_hour() == {
            "received": 4, "wrongSignature": 2, "outsideTolerance": 0, "unsigned": 0, "thin": 0,
        }  # fmt: skip


async def test_while_the_broker_is_away_it_stays_counted(broker: Broker) -> None:
    counted = WebhookShares(Bucket(Broker(SecretStr("nats://127.0.0.1:9"), "deaf"), 1))
    counted.count("mismatch")
    with pytest.raises(BrokerUnavailable):
        await counted.write()
    counted._bucket = Bucket(broker, 1)  # it is back
    assert (await counted.last_hour())["wrongSignature"] == 1
