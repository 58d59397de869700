"""Prometheus metrics that every service has; a service adds its own beside its use cases."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

HTTP_REQUESTS = Counter("atlas_http_requests_total", "Requests answered.", ["method", "route", "status"])
HTTP_SECONDS = Histogram(
    "atlas_http_request_seconds",
    "Time to answer.",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
EVENTS_PUBLISHED = Counter("atlas_events_published_total", "Events the broker confirmed.", ["subject", "duplicate"])
NOT_STORED = Counter(
    "atlas_writes_not_stored_total", "Writes that a reachable server did not store: no room.", ["server"]
)
for _server in ("broker", "database"):
    NOT_STORED.labels(_server)
