"""Coverage-guided fuzzing (atheris, which is libFuzzer) of one part of the webhook's door. Run by test_guided.py:

    python tests/fuzz/guided.py PART CORPUS… [libFuzzer's options]

A finding ends it with the input that caused it, written to a file.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

with atheris.instrument_imports(
    include=["webhook_ingest", "atlas_stripe.mapping", "atlas_stripe.meanings", "atlas_stripe.objects", "json"]
):
    from atlas_stripe.envelope import InvalidPayload, holds_nul, read_event
    from atlas_stripe.signature import MAX_SIGNATURES, InvalidSignature, SignatureVerifier
    from webhook_ingest.use_cases.admit import Door

from atlas_contracts.billing import BillingEvent, Via
from atlas_contracts.parked import ParkedEvent
from atlas_kit.messaging.broker import Stored
from atlas_stripe.arrival import Arrival

SECRET, NOW, TOLERANCE = b"whsec_guided", 1_800_000_000, 300
BODY = b'{"id":"evt_1"}'
VERIFIER = SignatureVerifier((b"whsec_older", SECRET), TOLERANCE)
ARRIVAL = Arrival(Via.WEBHOOK, datetime(2026, 11, 23, tzinfo=UTC), "sha256:" + "0" * 64, signature_verified=True)
TIMESTAMP = re.compile(rb"[1-9][0-9]{0,11}")
MARKER = b"SIGNED"
"""Stands in an input for the right signature of its timestamp: no fuzzer finds an HMAC."""


def verifier(data: bytes, verifying: SignatureVerifier = VERIFIER) -> None:
    """What is accepted is signed, fresh, and said once: by a second reading of the header, as plain as can be."""
    stamp = re.search(rb"t=([0-9]+)", data)
    right = hmac.new(SECRET, (stamp[1] if stamp else b"") + b"." + BODY, hashlib.sha256).hexdigest().encode()
    header = data.replace(MARKER, right)
    try:
        verifying.verify([header], BODY, NOW)
    except InvalidSignature as refused:
        assert refused.http_status == 403
        assert right.decode() not in str(refused)
        return
    items = [item.partition(b"=") for item in header.split(b",")]
    times = [value for scheme, _, value in items if scheme == b"t"]
    signatures = [value for scheme, _, value in items if scheme == b"v1"]
    assert len(times) == 1 and TIMESTAMP.fullmatch(times[0]) and abs(NOW - int(times[0])) <= TOLERANCE
    assert 0 < len(signatures) <= MAX_SIGNATURES
    expected = hmac.new(SECRET, times[0] + b"." + BODY, hashlib.sha256).hexdigest().encode()
    assert expected in signatures


def careless_verifier(data: bytes) -> None:
    """The counter-proof: one that takes signatures of any age must be found out."""
    verifier(data, SignatureVerifier((SECRET,), 10**13))


class Recorder:
    """A broker that takes one event."""

    def __init__(self) -> None:
        self.payload = b""

    async def publish(self, _subject: str, payload: bytes, _message_id: str) -> Stored:
        self.payload = payload
        return Stored(1, False)


def normalizer(data: bytes) -> None:
    """Signed bytes become a fact that keeps its schema, are parked, ignored, or refused with 400; nothing else."""
    try:
        told = read_event(data)
    except InvalidPayload as refused:
        assert refused.http_status == 400
        return
    billing, parking = Recorder(), Recorder()
    outcome = _run(Door(False, billing, parking).admit(told, ARRIVAL, suspicious=holds_nul(data)))
    assert outcome.reason != "unforeseen", "the mapping should have foreseen this"
    if billing.payload:
        fact = BillingEvent.model_validate_json(billing.payload)
        assert fact.data.provider_event_id == told["id"]
        assert b"\\u0000" not in billing.payload
    if parking.payload:
        ParkedEvent.model_validate_json(parking.payload)
        assert len(parking.payload) < 64 * 1024
    assert not (billing.payload and parking.payload)


def _run(admitting):
    """Nothing in it waits: run it to its end without an event loop's cost."""
    try:
        admitting.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for something")


PARTS = {"verifier": verifier, "careless-verifier": careless_verifier, "normalizer": normalizer}

if __name__ == "__main__":
    part = PARTS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], part)
    atheris.Fuzz()
