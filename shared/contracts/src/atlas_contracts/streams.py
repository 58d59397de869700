"""The broker's streams, subjects and durable consumers, and how streams are configured."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from typing import Self

SECONDS_PER_DAY = 86_400
DEDUPE_WINDOW_SECONDS = 4 * SECONDS_PER_DAY
"""How long the broker drops repeated message ids: Stripe retries for 3 days, and one day is added. A repetition after
that does no harm, because the ledger recognizes it."""
MIN_RETENTION_DAYS = DEDUPE_WINDOW_SECONDS // SECONDS_PER_DAY
"""The broker refuses a stream that forgets its messages before their ids."""
MAX_RETENTION_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """How a stream must be configured. All have limits retention and file storage; no client may delete or purge."""

    name: str
    subjects: tuple[str, ...]
    dedupe_window_seconds: int = DEDUPE_WINDOW_SECONDS
    retention_days: int = 400
    """After how many days a message ends. The setting ``<name>_RETENTION_DAYS`` changes it. 0: never, and no setting
    changes that."""
    direct_reads: bool = False
    """Whether direct get is allowed. With it a reader can have the broker send a copy of a message to any subject, also
    one on which the reader may not publish. So it is off for the streams with facts."""
    is_bucket: bool = False
    """Whether the stream is a key-value bucket: only the newest message of each subject is kept."""

    @property
    def max_age_seconds(self) -> int:
        return self.retention_days * SECONDS_PER_DAY

    def keeping(self, days: int) -> Self:
        """The same stream with another retention."""
        return replace(self, retention_days=days)


BILLING = StreamSpec("BILLING", ("billing.v1.>",))
ENTITLEMENTS = StreamSpec("ENTITLEMENTS", ("entitlements.v1.>",), retention_days=90)
PARKED = StreamSpec("PARKED", ("parked.v1.>",), direct_reads=True)
STREAMS = (BILLING, ENTITLEMENTS, PARKED)
"""The streams with events."""

STATE_BUCKET = "ENTITLEMENT_STATE"
"""Key-value bucket of the entitlements service: the newest state of every user who ever had one, for other services."""
STATE = StreamSpec(
    f"KV_{STATE_BUCKET}",
    (f"$KV.{STATE_BUCKET}.>",),
    dedupe_window_seconds=120,  # as for any bucket: entries are written by compare-and-set, without message ids
    retention_days=0,
    is_bucket=True,
)
"""The stream in which the broker keeps that bucket."""

MIRRORED = (BILLING, ENTITLEMENTS, STATE)
"""What other services may read: mirrors of these, under the same names, in the readers' own account on the broker."""
OUR_ACCOUNT, READERS_ACCOUNT = "ATLAS", "READERS"
ORIGIN_API = f"{OUR_ACCOUNT}.JS.API"
"""The prefix under which the readers' account knows the one request that a mirror makes of its origin."""
READERS_API = f"{READERS_ACCOUNT}.JS.API"
"""The prefix under which our account knows the one request that looks at a mirror; doctor asks it."""
MIRROR_DELIVERY = "atlas.mirror"
"""The beginning of the subjects on which an origin sends its messages to a mirror; no stream listens there."""

PROJECTOR_DURABLE = "entitlements-projector"
"""The durable consumer of BILLING that all replicas of the entitlements service share."""

REPUBLISHER_CONSUMER = "entitlements-republisher"
"""The consumer by which the entitlements service reads ENTITLEMENTS, to find which announcements it lacks."""

INGEST_BUCKET = "INGEST"
"""Key-value bucket of webhook-ingest: the pull's cursor and lease, claimed idempotency keys, counts of webhooks."""


def billing_subject(event_type: str) -> str:
    return f"billing.v1.{event_type}"


def entitlement_subject(event_type: str) -> str:
    return f"entitlements.v1.{event_type}"


def parked_subject(reason: str) -> str:
    return f"parked.v1.{reason}"


def state_key(user_id: str) -> str:
    """The user's key in :data:`STATE_BUCKET`: base64url of the SHA-256 of the id, without padding."""
    return urlsafe_b64encode(hashlib.sha256(user_id.encode()).digest()).rstrip(b"=").decode()


def state_subject(key: str) -> str:
    """The subject under which the broker keeps a key of :data:`STATE_BUCKET`."""
    return f"$KV.{STATE_BUCKET}.{key}"


def cloudevent_type(subject: str) -> str:
    """``billing.v1.purchase_succeeded`` → ``atlas.billing.v1.purchase_succeeded``."""
    return f"atlas.{subject}"
