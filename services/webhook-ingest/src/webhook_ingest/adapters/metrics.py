"""The metrics of webhook-ingest."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

WEBHOOKS = Counter("atlas_webhooks_total", "Webhook deliveries by what became of them.", ["outcome"])
REJECTED = Counter("atlas_webhooks_rejected_total", "Refused deliveries by reason.", ["reason"])
PARKED = Counter("atlas_events_parked_total", "Events that made no sense for their type, by reason.", ["reason"])
REJECTIONS = (
    "missing", "duplicated", "too_long", "malformed", "mismatch", "outside_tolerance", "invalid_payload", "thin_event"
)  # fmt: skip
for _reason in REJECTIONS:
    REJECTED.labels(_reason)
REDRIVEN = Counter("atlas_events_redriven_total", "Parked events given another try.")
PULLED = Counter("atlas_pulled_events_total", "Events read from events.list by what became of them.", ["outcome"])
PULL_FAILURES = Counter("atlas_pull_failures_total", "Pulls that did not come to their end, by reason.", ["reason"])
UNCOMPARED = Counter(
    "atlas_duplicates_not_compared_total", "Known event ids told again whose first content could not be looked up."
)
PULL_DRIFT = Gauge(
    "atlas_pull_drift_seconds", "Now minus the newest instant up to which every Stripe event is known to be published."
)
PARKED_WAITING = Gauge("atlas_parked_events", "Events that are parked and were not redriven, by reason.", ["reason"])
PULL_FAILED = Gauge("atlas_pull_failed", "1 while the newest pull is one that failed, by reason.", ["reason"])
