"""Every name that stands in a span: OpenTelemetry's semantic conventions for HTTP, messaging and databases, and ours.

Source: https://opentelemetry.io/docs/specs/semconv/, version 1.44; a test compares these with OpenTelemetry's package.
HTTP's and databases' are stable, messaging's are in development. Nothing of a person and nothing secret has a name
here: no path and no query (they hold users' and sessions' ids; the route's template is there instead), no body, no
header.
"""

from __future__ import annotations

from enum import Enum

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
SCOPE = "atlas"
"""The instrumentation scope: who made these spans."""

ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
SERVICE_NAME = "service.name"
SERVICE_NAMESPACE = "service.namespace"

HTTP_REQUEST_METHOD = "http.request.method"
HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
HTTP_ROUTE = "http.route"
URL_SCHEME = "url.scheme"
URL_TEMPLATE = "url.template"
OTHER_METHOD = "_OTHER"
"""What stands for a method that is none of HTTP's."""

MESSAGING_SYSTEM = "messaging.system"
MESSAGING_OPERATION_NAME = "messaging.operation.name"
MESSAGING_OPERATION_TYPE = "messaging.operation.type"
MESSAGING_DESTINATION_NAME = "messaging.destination.name"
MESSAGING_CONSUMER_GROUP_NAME = "messaging.consumer.group.name"
MESSAGING_BATCH_MESSAGE_COUNT = "messaging.batch.message_count"
MESSAGING_MESSAGE_ID = "messaging.message.id"
NATS = "nats"

DB_SYSTEM_NAME = "db.system.name"
DB_NAMESPACE = "db.namespace"
DB_OPERATION_NAME = "db.operation.name"
POSTGRESQL = "postgresql"

ENDUSER_PSEUDO_ID = "enduser.pseudo.id"
"""A user as logs name them: a digest (atlas_kit.process.logs.logged_user)."""

REQUEST_ID = "atlas.request.id"
"""Ours: the request id, by which a span's log lines are found."""
PUSHED = "atlas.live_update.pushed"
"""Ours: whether the open page was sent something, since what was read had changed."""


class SpanKind(Enum):
    """A span's kind, numbered as in OTLP (opentelemetry/proto/trace/v1/trace.proto)."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class Operation(Enum):
    """Types of work with messages: made, sent, handled, answered to the broker."""

    CREATE = "create"
    SEND = "send"
    PROCESS = "process"
    SETTLE = "settle"
