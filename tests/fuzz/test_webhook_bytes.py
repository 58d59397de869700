"""Mutated bytes through verifier, reader and normalizer, as the door runs them: nothing but the refusals they promise.

Seeds are whole signed deliveries; mutations flip, cut, repeat and splice bytes. Half of the bodies are signed again
after the mutation, so that what hides behind the signature is reached as well. ``ATLAS_LONG=1``: a million deliveries.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import tracemalloc
from datetime import UTC, datetime

import pytest

from atlas_contracts.billing import BillingEvent, Via
from atlas_contracts.parked import ParkedEvent
from atlas_kit.messaging.broker import Stored
from atlas_stripe.arrival import Arrival
from atlas_stripe.envelope import InvalidPayload, holds_nul, read_event
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES
from atlas_stripe.signature import InvalidSignature, SignatureVerifier
from support.stripe_events import SECRET, body_of, charge, dispute, event, refund, session, signature
from webhook_ingest.use_cases.admit import Door

LONG = bool(os.environ.get("ATLAS_LONG"))
DELIVERIES = 1_000_000 if LONG else 5_000
SEED = int(os.environ.get("ATLAS_FUZZ_SEED", "0")) or (time.time_ns() if LONG else 20_261_123)
MAX_SECONDS_PER_DELIVERY = 2.0  # generous: the machine may be busy; a quadratic reader takes minutes
DICTIONARY = [
    b'"', b"{", b"}", b"[" * 3000, b"]", b":", b",", b"\\u0000", b"\\ud800", b"\x00", b"\xff\xfe", b"NaN", b"1e999", b"-0",
    b"9" * 5000, b"null", b"true", b'"id":', b'"type":', b'"metadata":{}', b'"object":[]', b"v1=", b"t=", b",", b"\xc3\x28", b"\r\n",
]  # fmt: skip
VERIFIER = SignatureVerifier((SECRET.encode(),), 300)
ARRIVAL = Arrival(Via.WEBHOOK, datetime(2026, 11, 23, tzinfo=UTC), "sha256:00", signature_verified=True)


class Recorder:
    """A broker that takes everything."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []

    async def publish(self, _subject: str, payload: bytes, _message_id: str) -> Stored:
        self.payloads.append(payload)
        return Stored(len(self.payloads), False)


def mutated(seed: bytes, dice: random.Random) -> bytes:
    """The seed with up to eight changes."""
    data = bytearray(seed)
    for _ in range(dice.choice((1, 1, 1, 2, 4, 8))):
        at, length = dice.randrange(len(data) + 1), dice.choice((1, 2, 8, 64))
        match dice.randrange(6):
            case 0 if data:
                data[at - 1] ^= 1 << dice.randrange(8)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = dice.choice(DICTIONARY)
            case 3:
                data[at : at + length] = dice.choice(DICTIONARY)
            case 4:
                data[at:at] = data[at : at + length] * dice.choice((1, 2, 50))
            case _:
                data[at : at + length] = dice.randbytes(length)
    return bytes(data)


def deliver(body: bytes, headers: list[bytes], door: Door) -> str:
    """What the endpoint does; anything else than these outcomes is a 5xx."""
    try:
        VERIFIER.verify(headers, body, time.time())
    except InvalidSignature as refused:
        assert SECRET not in str(refused) and refused.http_status == 403
        return "unsigned"
    try:
        told = read_event(body)
    except InvalidPayload as refused:
        assert refused.http_status == 400
        return "unreadable"
    outcome = asyncio.run(door.admit(told, ARRIVAL, suspicious=holds_nul(body)))
    assert outcome.reason != "unforeseen", "the mapping should have foreseen this"
    return "parked" if outcome.parked else str(outcome.admission)


@pytest.mark.timeout(3600 if LONG else 120)
def test_no_delivery_however_damaged_makes_anything_but_a_promised_answer(record_property) -> None:
    dice = random.Random(SEED)
    objects = [session(), charge(), refund(), dispute()]
    seeds = [body_of(event(kind, thing)) for kind in SUPPORTED_EVENT_TYPES for thing in objects]
    billing, parking = Recorder(), Recorder()
    door = Door(False, billing, parking)
    seen: dict[str, int] = {}
    for number in range(DELIVERIES):
        original = dice.choice(seeds)
        body = mutated(original, dice)
        signs = dice.randrange(4)
        header = signature(body if signs < 2 else original).encode()
        headers = [mutated(header, dice) if signs == 3 else header]
        began = time.monotonic()
        try:
            outcome = deliver(body, headers, door)
        except Exception as error:
            raise AssertionError(f"delivery {number} of seed {SEED}: {body!r} {headers!r}") from error
        assert time.monotonic() - began < MAX_SECONDS_PER_DELIVERY, f"delivery {number} of seed {SEED} is slow"
        if signs >= 2 and body != original:
            assert outcome == "unsigned", f"delivery {number} of seed {SEED}: accepted what nobody signed"
        seen[outcome] = seen.get(outcome, 0) + 1
    for payload in billing.payloads:
        BillingEvent.model_validate_json(payload)
    for payload in parking.payloads:
        ParkedEvent.model_validate_json(payload)
        assert len(payload) < 64 * 1024
    record_property("outcomes", seen)
    assert min(seen.get(outcome, 0) for outcome in ("unsigned", "unreadable", "parked", "accepted")) >= 5, seen


def test_a_flood_of_junk_leaves_no_memory_behind() -> None:
    dice = random.Random(SEED)
    door = Door(False, Recorder(), Recorder())
    body = body_of(event("customer.created", {"id": "cus_1"}))
    junk = [mutated(body, dice) for _ in range(50)]

    def flood() -> None:
        for one in junk:
            deliver(one, [signature(one).encode()], door)

    flood()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(4):
            flood()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 512 * 1024
