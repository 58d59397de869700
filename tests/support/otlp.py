"""A receiver of OTLP over HTTP (protobuf): keeps every span that is sent to it, and can misbehave."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

CONTENT_TYPE = "application/x-protobuf"
KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")


@dataclass(frozen=True)
class Span:
    """A span as it was sent. Times in nanoseconds since 1970; links are pairs of trace id and span id."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str | None
    start: int
    end: int
    failed: bool
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]
    schema_url: str

    @property
    def request_id(self) -> str:
        return str(self.attributes["atlas.request.id"])


@dataclass
class Receiver:
    """``answer`` is the status of each answer; while ``hanging`` is set there is none."""

    url: str
    answer: int = 200
    hanging: threading.Event = field(default_factory=threading.Event)
    requests: int = 0
    bodies: list[bytes] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def named(self, service: str, name: str) -> list[Span]:
        return [span for span in list(self.spans) if (span.service, span.name) == (service, name)]

    def trace(self, trace_id: str) -> list[Span]:
        return [span for span in list(self.spans) if span.trace_id == trace_id]


@contextlib.contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            receiver.requests += 1
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            while receiver.hanging.is_set() and not receiver.over.wait(0.1):
                pass
            if receiver.answer == 200:
                assert self.path == "/v1/traces", self.path
                assert self.headers["content-type"] == CONTENT_TYPE
                receiver.bodies.append(body)
                receiver.spans.extend(read(body))
            told = ExportTraceServiceResponse().SerializeToString()
            self.send_response(receiver.answer)
            self.send_header("content-type", CONTENT_TYPE)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_told: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_told: Any) -> None: ...

    server = Server(("127.0.0.1", port), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.shutdown()
        server.server_close()


def read(body: bytes) -> Iterator[Span]:
    """The spans in a request's body."""
    for told in ExportTraceServiceRequest.FromString(body).resource_spans:
        [service] = [a.value.string_value for a in told.resource.attributes if a.key == "service.name"]
        for scope in told.scope_spans:
            for span in scope.spans:
                yield Span(
                    service, span.name, KINDS[span.kind], span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex() or None,
                    span.start_time_unix_nano, span.end_time_unix_nano, span.status.code == 2,
                    {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes},
                    tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links), scope.schema_url,
                )  # fmt: skip
