"""A service whose spans go nowhere answers and ends as one without: receiver away, silent, failing; nothing recorded when off."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from atlas_kit.tracing.recorder import FLUSH_SECONDS
from support.embedded import embedded_nats
from support.ingest import Ingest, environment, eventually, running_ingest
from support.otlp import Receiver, receiving
from support.stripe_events import purchase

ANSWERS = 60
END_SECONDS = FLUSH_SECONDS + 6
"""The service's own end, on a machine that does other things too, and the last spans."""


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with embedded_nats() as nats_url:
        yield nats_url


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def traced(url: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100"}


def test_a_webhooks_spans_arrive_and_the_last_ones_when_the_process_ends(broker: str, receiver: Receiver) -> None:
    later = traced(receiver.url) | {"OTEL_BSP_SCHEDULE_DELAY": "600000", "OTEL_SERVICE_NAME": "ingest-of-a-test"}
    with running_ingest(broker, **later) as ingest:
        assert ingest.deliver(purchase()).status == 200
        assert not receiver.spans
        ended(ingest)
        [line] = ingest.logged("billing.webhook.accepted")
        stored = ingest.messages()
    served, published = sorted(receiver.spans, key=lambda span: span.kind != "SERVER")
    assert (served.name, published.parent_id, published.kind) == ("POST /api/billing/stripe/webhook", served.span_id, "PRODUCER")
    assert {span.service for span in receiver.spans} == {"ingest-of-a-test"}
    assert (line["traceId"], line["requestId"]) == (served.trace_id, served.request_id)
    [(event, headers)] = [(json.loads(body), headers) for body, headers in stored if headers["x-request-id"] == served.request_id]
    assert headers["traceparent"].split("-")[1:3] == [published.trace_id, published.span_id]
    assert event["traceparent"] == headers["traceparent"]


@pytest.mark.parametrize("off", [{"OTEL_TRACES_SAMPLER": "always_off"}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}])
def test_what_is_not_sampled_is_not_sent(broker: str, receiver: Receiver, off: dict[str, str]) -> None:
    with running_ingest(broker, **traced(receiver.url), **off) as ingest:
        assert ingest.deliver(purchase()).status == 200
        ended(ingest)
        [line] = ingest.logged("billing.webhook.accepted")
    assert not receiver.requests
    assert len(line["traceId"]) == 32


def hang(receiver: Receiver) -> None:
    receiver.hanging.set()


def fail(receiver: Receiver) -> None:
    receiver.answer = 500


def refuse(receiver: Receiver) -> None:
    receiver.answer = 400


@pytest.mark.parametrize("misbehave", [hang, fail, refuse, None])
def test_a_receiver_that_hangs_fails_or_is_away_delays_neither_answers_nor_the_end(
    broker: str, receiver: Receiver, misbehave: Callable[[Receiver], None] | None
) -> None:
    """The median of the answers, beside that of the same service with a receiver that works."""
    with running_ingest(broker, **traced(receiver.url)) as ingest:
        usual = median_answer(ingest)
    if misbehave:
        misbehave(receiver)
    with running_ingest(broker, **traced(receiver.url if misbehave else "http://127.0.0.1:9")) as ingest:
        before = receiver.requests
        assert median_answer(ingest) < 3 * usual + 0.05
        if misbehave:
            eventually(lambda: receiver.requests > before)
        else:
            eventually(lambda: ingest.logged("tracing.not_exported"), 60)
        assert ended(ingest) < END_SECONDS
        lines = [json.loads(line) for line in ingest.log.read_text().splitlines()]
    problems = [line["event"] for line in lines if line["level"] != "info" and line["event"] != "broker.disconnected"]
    assert problems in ([], ["tracing.not_exported"]), "said once a minute at most, and by nobody else"


def test_a_wrong_endpoint_stops_the_start_with_one_sentence(broker: str) -> None:
    wrong = environment(broker, OTEL_EXPORTER_OTLP_ENDPOINT="nonsense")
    done = subprocess.run([sys.executable, "-m", "webhook_ingest"], env=wrong, capture_output=True, text=True, timeout=150)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["configuration: OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL that starts with http:// or https://"]


def median_answer(ingest: Ingest) -> float:
    seconds = []
    for _ in range(ANSWERS):
        began = time.perf_counter()
        assert ingest.deliver(purchase()).status == 200
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def ended(ingest: Ingest) -> float:
    """Tell it to end; gives how long it took, in seconds."""
    began = time.monotonic()
    ingest.process.send_signal(signal.SIGTERM)
    ingest.process.wait(30)
    return time.monotonic() - began
