"""Where events travel: streams, subjects, durable consumers and the configuration they are declared with."""

from __future__ import annotations

from dataclasses import dataclass

SECONDS_PER_DAY = 86_400
DEDUPE_WINDOW_SECONDS = 4 * SECONDS_PER_DAY
"""Stripe retries for 3 days; one day of slack. The broker's window is an optimization: the ledger decides."""


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream as it must exist: limits retention, file storage, no client may delete or purge."""

    name: str
    subjects: tuple[str, ...]
    dedupe_window_seconds: int = DEDUPE_WINDOW_SECONDS
    direct_reads: bool = False
    """Whether a reader may have a message sent to a subject of its choice. Such a copy looks as if it had been
    published there, whoever may publish there: not where facts travel."""


BILLING = StreamSpec("BILLING", ("billing.v1.>",))
ENTITLEMENTS = StreamSpec("ENTITLEMENTS", ("entitlements.v1.>",))
PARKED = StreamSpec("PARKED", ("parked.v1.>",), direct_reads=True)
STREAMS = (BILLING, ENTITLEMENTS, PARKED)

PROJECTOR_DURABLE = "entitlements-projector"
"""The durable on BILLING that every replica of the entitlements service shares."""

INGEST_BUCKET = "INGEST"
"""Key-value bucket of webhook-ingest: the pull's cursor and its lease."""


def billing_subject(event_type: str) -> str:
    return f"billing.v1.{event_type}"


def entitlement_subject(event_type: str) -> str:
    return f"entitlements.v1.{event_type}"


def parked_subject(reason: str) -> str:
    return f"parked.v1.{reason}"


def cloudevent_type(subject: str) -> str:
    """``billing.v1.purchase_succeeded`` → ``atlas.billing.v1.purchase_succeeded``."""
    return f"atlas.{subject}"
