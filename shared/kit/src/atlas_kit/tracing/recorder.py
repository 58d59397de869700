"""Records spans with OpenTelemetry's SDK and sends them by OTLP (http/protobuf). The only module that imports the SDK.

Spans wait in a bounded queue and are sent by a thread of the SDK's, so a receiver that is slow, silent or dead costs
spans, never a request. No exception is recorded whole: its message may hold what a span must not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import Any, Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, StatusCode, get_current_span, set_span_in_context
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanKind as OtelKind
from opentelemetry.trace import Tracer as OtelTracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from atlas_kit.process import context
from atlas_kit.process.context import Ids
from atlas_kit.process.logs import get_logger
from atlas_kit.process.settings import TracingSettings
from atlas_kit.tracing import names, spans
from atlas_kit.tracing.names import SpanKind
from atlas_kit.tracing.spans import Attributes, OpenSpan

log = get_logger()

FLUSH_SECONDS = 2.0
"""How long a process that ends may take to send the spans that wait; the others are lost."""
SAME_WARNING_SECONDS = 60.0
"""That spans can't be sent is logged at most once in this time."""
MOST_LINKS = 256
"""Links of a span: as many as a batch has messages."""
SERVER_ERROR = 500

_W3C = TraceContextTextMapPropagator()
_KINDS = {kind: OtelKind[kind.name] for kind in SpanKind}


class RecordedSpan:
    """A span of the SDK's (atlas_kit.tracing.spans.OpenSpan)."""

    __slots__ = ("_carried", "_current", "_ids", "_live", "_name", "_span")

    def __init__(self, span: OtelSpan, name: str, request_id: str, *, current: bool) -> None:
        self._span, self._name, self._current = span, name, current
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, set_span_in_context(span, Context()))
        self._ids = Ids(request_id, carrier["traceparent"])
        self._live: Token[OpenSpan | None] | None = None
        self._carried: Any = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def ids(self) -> Ids:
        return self._ids

    @property
    def otel(self) -> OtelSpan:
        """The SDK's span."""
        return self._span

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(dict(attributes))

    def rename(self, name: str) -> None:
        self._name = name
        self._span.update_name(name)

    def failed(self, kind: str) -> None:
        self._span.set_attribute(names.ERROR_TYPE, kind)
        self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        self._span.end()

    def __enter__(self) -> Self:
        if self._current:
            self._carried = context.carrying(self._ids)
            self._carried.__enter__()
            self._live = spans.make_live(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            spans.restore(self._live)
            self._carried.__exit__(kind, error, traceback)
        if kind is not None:
            if getattr(error, "status", SERVER_ERROR) >= SERVER_ERROR:
                self.failed(kind.__name__)
            else:  # an answer that the caller is to blame for, such as "not found"
                self._span.set_attribute(names.ERROR_TYPE, kind.__name__)
        self._span.end()


class OtelRecorder:
    """Makes spans by the SDK (atlas_kit.tracing.spans.Recorder)."""

    def __init__(self, tracer: OtelTracer) -> None:
        self._tracer = tracer

    def open(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        *,
        request_id: str,
        parent: OpenSpan | str | None,
        links: Sequence[str] = (),
        current: bool = True,
    ) -> RecordedSpan:
        span = self._tracer.start_span(
            name,
            context=_context_of(parent),
            kind=_KINDS[kind],
            attributes={names.REQUEST_ID: request_id, **attributes},
            links=[Link(get_current_span(_told(traceparent)).get_span_context()) for traceparent in links],
            record_exception=False,
            set_status_on_exception=False,
        )
        return RecordedSpan(span, name, request_id, current=current)


def _context_of(parent: OpenSpan | str | None) -> Context:
    """OpenTelemetry's context with ``parent`` alone; nothing else decides whose child a span is."""
    if isinstance(parent, RecordedSpan):
        return set_span_in_context(parent.otel, Context())
    return _told(parent) if isinstance(parent, str) else Context()


def _told(traceparent: str) -> Context:
    """The context that another process has told; empty for what is no trace context."""
    return _W3C.extract({"traceparent": traceparent}, Context())


class _Telling(SpanExporter):
    """Sends spans, and says at most once in ``SAME_WARNING_SECONDS`` that it can't."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._said = -SAME_WARNING_SECONDS
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            if time.monotonic() - self._said >= SAME_WARNING_SECONDS:
                self._said = time.monotonic()
                log.warning("tracing.not_exported", spans=self._lost)
                self._lost = 0
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class Recording:
    """A recorder with what sends its spans; ``stop`` ends both."""

    def __init__(self, settings: TracingSettings, service: str) -> None:
        self._provider = new_provider(settings, service)
        exporter = OTLPSpanExporter(endpoint=f"{settings.otel_exporter_otlp_endpoint}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(_Telling(exporter)))
        self.recorder = recorder_of(self._provider)

    def stop(self) -> None:
        """Send the spans that wait, for at most ``FLUSH_SECONDS``."""
        sending = threading.Thread(target=self._provider.shutdown, name="spans-flush", daemon=True)
        sending.start()
        sending.join(FLUSH_SECONDS)


def new_provider(settings: TracingSettings, service: str) -> TracerProvider:
    """The SDK's maker of spans, which sends them nowhere yet."""
    named = {names.SERVICE_NAME: settings.otel_service_name or service, names.SERVICE_NAMESPACE: "atlas"}
    return TracerProvider(
        sampler=sampler(settings.otel_traces_sampler, settings.otel_traces_sampler_arg),
        resource=Resource.create(named),
        shutdown_on_exit=False,  # it would wait for half a minute
        span_limits=SpanLimits(max_links=MOST_LINKS),
    )


def recorder_of(provider: TracerProvider) -> OtelRecorder:
    """The recorder whose spans this provider makes."""
    return OtelRecorder(provider.get_tracer(names.SCOPE, schema_url=names.SCHEMA_URL))


def sampler(name: str, ratio: float) -> sampling.Sampler:
    """The sampler of this name, as OpenTelemetry's specification names them."""
    roots: Mapping[str, sampling.Sampler] = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "traceidratio": sampling.TraceIdRatioBased(ratio),
    }
    root = roots[name.removeprefix("parentbased_")]
    return sampling.ParentBased(root) if name.startswith("parentbased_") else root
