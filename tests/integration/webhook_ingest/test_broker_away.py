"""Without the broker's word there is no 200; with it back, retries succeed and nothing is lost."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from atlas_localstack.servers.ports import free_port
from support.embedded import embedded_nats
from support.ingest import eventually, running_ingest
from support.stripe_events import body_of, purchase

UNAVAILABLE = {
    "ok": False,
    "error": {
        "code": "internal_error",
        "message": "Service is temporarily unavailable. Please try again later.",
        "recovery": "retry_later",
    },
}


def test_the_service_starts_without_a_broker_and_says_so(tmp_path: Path) -> None:
    port = free_port()
    with running_ingest(f"nats://127.0.0.1:{port}", wait=False) as ingest:
        answer = ingest.deliver(purchase())
        assert (answer.status, answer.json) == (503, UNAVAILABLE)
        assert int(answer.headers["retry-after"]) > 0
        ready = ingest.request("GET", "/readyz")
        assert (ready.status, ready.json["failing"]) == (503, ["broker"])
        assert ingest.request("GET", "/healthz").status == 200
        assert ingest.post(b"{}", "t=1,v1=0").status == 403
        with embedded_nats(port=port, store=tmp_path):
            eventually(lambda: ingest.request("GET", "/readyz").status == 200)
            assert ingest.deliver(purchase()).json["data"]["appended"] is True


def test_a_stopped_broker_means_503_at_once_and_a_retry_succeeds(tmp_path: Path) -> None:
    port = free_port()
    bought, known = purchase(), purchase()
    with embedded_nats(port=port, store=tmp_path) as url:
        with_service = running_ingest(url)
        ingest = with_service.__enter__()
        assert ingest.deliver(known).status == 200
    try:
        eventually(lambda: ingest.logged("broker.disconnected"))
        for _ in range(5):
            started = time.monotonic()
            assert ingest.deliver(bought).status == 503
            assert time.monotonic() - started < 1
        with embedded_nats(port=port, store=tmp_path):
            eventually(lambda: ingest.deliver(bought).status == 200)
            assert ingest.deliver(bought).json["data"]["dedupeReason"] == "provider_event_id"
            assert ingest.deliver(known).json["data"]["dedupeReason"] == "provider_event_id"
            assert len(ingest.stored()) == 2
    finally:
        with_service.__exit__(None, None, None)


def test_a_broker_that_hangs_means_503_in_bounded_time_and_nothing_twice(tmp_path: Path) -> None:
    with embedded_nats() as url, running_ingest(url) as ingest:
        broker = next(child for child in psutil.Process().children() if _serves(child, url))
        bodies = [body_of(purchase()) for _ in range(40)]
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            with ThreadPoolExecutor(40) as pool:
                statuses = {answer.status for answer in pool.map(ingest.post, bodies)}
            assert statuses == {503}
            assert time.monotonic() - started < 9
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda body: eventually(lambda: (a := ingest.post(body)).status == 200 and a), bodies))
        assert {answer.status for answer in answers} == {200}
        assert len(ingest.stored()) == 40


def test_a_broker_killed_under_load_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    port = free_port()
    with embedded_nats(port=port, store=tmp_path) as url:
        with_service = running_ingest(url)
        ingest = with_service.__enter__()
        bodies = [body_of(purchase()) for _ in range(400)]
        broker = next(child for child in psutil.Process().children() if _serves(child, url))
        with ThreadPoolExecutor(32) as pool:
            answers = []
            futures = [pool.submit(ingest.post, body) for body in bodies]
            eventually(lambda: sum(future.done() for future in futures) > 100)
            broker.kill()
            answers = [future.result() for future in futures]
    try:
        assert {answer.status for answer in answers} == {200, 503}
        acknowledged = {body for body, answer in zip(bodies, answers, strict=True) if answer.status == 200}
        with embedded_nats(port=port, store=tmp_path):
            eventually(lambda: ingest.request("GET", "/readyz").status == 200)
            stored = {event["data"]["providerEventId"] for event in ingest.stored()}
            lost = [body for body in acknowledged if not any(known.encode() in body for known in _ids(body) & stored)]
            assert lost == []
            for body in bodies:
                assert ingest.post(body).status == 200
            events = ingest.stored()
            assert len(events) == len({event["id"] for event in events}) == 400
    finally:
        with_service.__exit__(None, None, None)


def _ids(body: bytes) -> set[str]:
    import json

    return {json.loads(body)["id"]}


def _serves(process: psutil.Process, url: str) -> bool:
    port = int(url.rsplit(":", 1)[1])
    return "nats" in process.name() and any(c.laddr.port == port for c in process.net_connections())
