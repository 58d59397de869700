"""What is in a span, whose child it is, and what costs nothing where nothing is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv import schemas
from opentelemetry.semconv._incubating.attributes import enduser_attributes, messaging_attributes
from opentelemetry.semconv._incubating.attributes import url_attributes as more_url_attributes
from opentelemetry.semconv.attributes import (
    db_attributes,
    error_attributes,
    http_attributes,
    server_attributes,
    service_attributes,
    url_attributes,
)  # fmt: skip

from atlas_kit.http.errors import NotFound
from atlas_kit.http.middleware import EdgeMiddleware
from atlas_kit.process import context
from atlas_kit.process.context import Ids
from atlas_kit.process.settings import ConfigurationError, TracingSettings, load
from atlas_kit.tracing import messages, names, spans, work
from atlas_kit.tracing.recorder import new_provider, recorder_of, sampler
from atlas_kit.tracing.spans import NOTHING
from atlas_stripe.traced_http import path_template

TOLD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def recorded() -> Iterator[InMemorySpanExporter]:
    kept = InMemorySpanExporter()
    provider = new_provider(TracingSettings(), "test")
    provider.add_span_processor(SimpleSpanProcessor(kept))
    spans.install(recorder_of(provider))
    try:
        yield kept
    finally:
        spans.install(None)


def served(app: Any, path: str = "/p", **headers: str) -> None:
    """One request through the edge, in a task of its own."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Any) -> None: ...

    scope = {"type": "http", "method": "GET", "path": path, "state": {}}
    asyncio.run(EdgeMiddleware(app)({**scope, "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}, receive, send))


def answering(status: int = 200, told: list[str] | None = None) -> Any:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        if told is not None:
            told.append(context.current_traceparent())
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


def only(kept: InMemorySpanExporter) -> ReadableSpan:
    [span] = kept.get_finished_spans()
    return span


def test_every_name_of_the_conventions_is_opentelemetrys_own() -> None:
    parts = (
        db_attributes, enduser_attributes, error_attributes, http_attributes, messaging_attributes, more_url_attributes, server_attributes,
        service_attributes, url_attributes,
    )  # fmt: skip
    known = {value for part in parts for value in vars(part).values() if isinstance(value, str)}
    ours = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str) and "." in value}
    assert {name for name in ours - known if not name.startswith(("atlas.", "https:"))} == set()
    assert db_attributes.DbSystemNameValues.POSTGRESQL.value == names.POSTGRESQL
    types = {operation.value for operation in messaging_attributes.MessagingOperationTypeValues}
    assert {operation.value for operation in names.Operation} <= types
    assert names.SCHEMA_URL in {schema.value for schema in schemas.Schemas}


def test_off_nothing_is_recorded_and_ids_are_made_all_the_same() -> None:
    told: list[str] = []
    served(answering(told=told), traceparent=TOLD)
    [now] = told
    assert now[:36] == TOLD[:36] and now != TOLD
    for span in (work.calling("GET", "http://h"), work.transaction("d"), messages.publishing(), messages.sending("s", "m"),
                 messages.relaying("s", Ids("r", TOLD)), messages.receiving("s", {}, "c")):  # fmt: skip
        assert span is NOTHING
    with messages.creating("s", Ids("r", TOLD)):
        assert context.current_request_id() == "r" and context.current_trace_id() == TOLD[3:35]


def test_a_request_is_the_child_of_what_it_was_told_and_the_parent_of_what_it_asks(recorded: InMemorySpanExporter) -> None:
    told: list[str] = []
    served(answering(told=told), traceparent=TOLD, **{"x-request-id": "req_1"})
    span = only(recorded)
    assert span.parent and f"{span.parent.trace_id:032x}" == TOLD[3:35] and f"{span.parent.span_id:016x}" == TOLD[36:52]
    assert told == [f"{TOLD[:36]}{span.context.span_id:016x}-01"]
    assert span.attributes and span.attributes[names.REQUEST_ID] == "req_1"


@pytest.mark.parametrize("nonsense", ["", "00-0-0-00", "ff-" + TOLD[3:], "00-" + "0" * 32 + TOLD[35:], "x" * 5000])
def test_a_trace_context_that_is_none_begins_a_trace(recorded: InMemorySpanExporter, nonsense: str) -> None:
    served(answering(), traceparent=nonsense)
    assert only(recorded).parent is None


def test_neither_path_nor_query_nor_what_an_exception_says_is_in_a_span(recorded: InMemorySpanExporter) -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ValueError("canary of the message")

    served(app, path="/canary-of-the-path")
    span = only(recorded)
    assert span.name == "GET" and not span.status.is_ok
    assert "canary" not in span.to_json()
    assert not span.events and span.status.description is None


def test_health_checks_and_what_they_ask_are_not_recorded(recorded: InMemorySpanExporter) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with work.calling("GET", "http://h"), work.transaction("d"):
            await answering()(scope, receive, send)

    for path in ("/healthz", "/readyz", "/metrics", "/api/health"):
        served(app, path=path)
    assert not recorded.get_finished_spans()


@pytest.mark.parametrize(("error", "fails"), [(NotFound(), False), (KeyError("x"), True)])
def test_an_answer_that_the_caller_is_to_blame_for_is_no_failure(recorded: InMemorySpanExporter, error: Exception, fails: bool) -> None:
    with pytest.raises(type(error)), work.working("a piece"):
        raise error
    span = only(recorded)
    assert span.status.is_ok is not fails
    assert span.attributes and span.attributes[names.ERROR_TYPE] == type(error).__name__


def test_an_event_made_while_publishing_has_the_publishing_spans_context_and_the_span_its_name(recorded: InMemorySpanExporter) -> None:
    with work.working("request", Ids("r", TOLD)), messages.publishing():
        made_in = context.current_traceparent()
        with messages.sending("billing.v1.purchase_succeeded", "stripe:evt_1:purchase_succeeded"):
            assert context.current_traceparent() == made_in
    published, request = recorded.get_finished_spans()
    assert published.name == "publish billing.v1.purchase_succeeded"
    assert made_in[36:52] == f"{published.context.span_id:016x}"
    assert published.parent and published.parent.span_id == request.context.span_id
    assert published.attributes and published.attributes[names.MESSAGING_MESSAGE_ID] == "stripe:evt_1:purchase_succeeded"


@pytest.mark.parametrize("message_id", ["entitlement:ada:1:abcd", "stripe:initiated:cs_test_1:purchase_initiated", "manual:k:entitlement_granted"])
def test_a_message_id_that_may_hold_a_users_or_a_sessions_id_is_left_out(recorded: InMemorySpanExporter, message_id: str) -> None:
    with work.working("request"), messages.sending("a.subject", message_id):
        pass
    assert all(message_id not in span.to_json() for span in recorded.get_finished_spans())


def test_a_batch_has_links_and_each_message_its_own_trace(recorded: InMemorySpanExporter) -> None:
    told = [Ids(f"req_{n}", context.new_traceparent()) for n in range(256)]
    with messages.processing("BILLING", "projector", [messages.Processed("billing.v1.x", ids, f"stripe:evt_{ids.request_id}:x", None) for ids in told]) as given:
        assert [ids.request_id for ids in given] == [ids.request_id for ids in told]
    found = recorded.get_finished_spans()
    [batch] = [span for span in found if span.name == "process BILLING"]
    assert [f"{link.context.trace_id:032x}" for link in batch.links] == [ids.traceparent[3:35] for ids in told]
    assert batch.parent is None
    of_facts = [span for span in found if span is not batch]
    assert {f"{span.context.trace_id:032x}" for span in of_facts} == {ids.traceparent[3:35] for ids in told}
    assert {span.links[0].context.span_id for span in of_facts} == {batch.context.span_id}


def test_a_transaction_of_a_batch_belongs_to_the_batch(recorded: InMemorySpanExporter) -> None:
    ids = Ids("r", TOLD)
    with messages.processing("BILLING", "projector", [messages.Processed("billing.v1.x", ids, "e", None)]), work.transaction("entitlements"):
        pass
    found = {span.name: span for span in recorded.get_finished_spans()}
    transaction, batch = found["transaction entitlements"], found["process BILLING"]
    assert transaction.parent and transaction.parent.span_id == batch.context.span_id


@pytest.mark.parametrize(
    ("name", "ratio", "expected"),
    [
        ("always_on", 0.0, sampling.ALWAYS_ON), ("always_off", 1.0, sampling.ALWAYS_OFF),
        ("traceidratio", 0.25, "TraceIdRatioBased{0.25}"), ("parentbased_traceidratio", 0.25, "root:TraceIdRatioBased{0.25}"),
        ("parentbased_always_off", 1.0, "root:AlwaysOffSampler"),
    ],
)  # fmt: skip
def test_samplers_are_those_of_the_sdk(name: str, ratio: float, expected: Any) -> None:
    made = sampler(name, ratio)
    assert made is expected or str(expected) in made.get_description()


def test_what_is_not_sampled_keeps_its_ids_and_tells_it_on() -> None:
    spans.install(recorder_of(new_provider(TracingSettings(otel_traces_sampler="always_off"), "test")))
    try:
        told: list[str] = []
        served(answering(told=told))
    finally:
        spans.install(None)
    assert context.TRACEPARENT_PATTERN.fullmatch(told[0]) and not int(told[0][-2:], 16) & 1


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "nonsense"}, "OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL that starts with http:// or https://"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "grpc://h:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL that starts with http:// or https://"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf"),
        ({"OTEL_TRACES_SAMPLER": "sometimes"}, "OTEL_TRACES_SAMPLER: must be"),
        ({"OTEL_TRACES_SAMPLER_ARG": "2"}, "OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_in_one_sentence(variables: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(TracingSettings, variables)
    [line] = str(error.value).splitlines()
    assert line.startswith(said)


@pytest.mark.parametrize(("variables", "on"), [
    ({}, False), ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False), ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318/"}, True),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318", "OTEL_SDK_DISABLED": "true"}, False),
])  # fmt: skip
def test_an_endpoint_turns_spans_on_and_opentelemetrys_own_switch_off(variables: dict[str, str], on: bool) -> None:
    assert load(TracingSettings, variables).tracing is on


@pytest.mark.parametrize(("url", "template"), [
    ("https://api.stripe.com/v1/checkout/sessions", "/v1/checkout/sessions"),
    ("https://api.stripe.com/v1/checkout/sessions/cs_test_a1B2", "/v1/checkout/sessions/{id}"),
    ("https://api.stripe.com/v1/payment_intents/pi_3Qx?expand[]=latest_charge", "/v1/payment_intents/{id}"),
    ("https://api.stripe.com/v1/customers/search?query=metadata['userId']:'ada'", "/v1/customers/search"),
    ("http://127.0.0.1:8004/v1/prices/price_atlas_pro_lifetime", "/v1/prices/{id}"),
])  # fmt: skip
def test_a_call_to_stripe_is_named_without_ids(url: str, template: str) -> None:
    assert path_template(url) == template
