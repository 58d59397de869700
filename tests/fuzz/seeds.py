"""The inputs that guided fuzzing begins with, and its dictionary. ``python tests/fuzz/seeds.py`` writes them anew."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES
from support import stripe_events
from support.mapping_table import examples
from support.stripe_events import event, session

CORPUS = Path(__file__).with_name("corpus")
HEADERS = {
    "signed": b"t=1800000000,v1=SIGNED",
    "rolled": b"t=1800000000,v1=0000,v1=SIGNED,v0=abc",
    "old": b"t=1799999000,v1=SIGNED",
    "ahead": b"t=1800000300,v1=SIGNED",
    "twice": b"t=1800000000,t=1800000000,v1=SIGNED",
    "unsigned": b"t=1800000000,v1=" + b"0" * 64,
}
WORDS = """
id type created data object livemode account context actionable fraud_type metadata userId productKey pro_lifetime_v1 client_reference_id amount amount_total
amount_refunded refunded paid unpaid no_payment_required status payment_status mode payment setup subscription payment_link
currency usd customer payment_intent charge reason complete open expired succeeded pending failed canceled requires_action
needs_response under_review warning_closed warning_needs_response won lost prevented checkout.session refund dispute expanded
true false null NaN 1e999 \\u0000 \\ud800 evt_1 -1 9007199254740993 v1= t= SIGNED
""".split()


def seeds() -> dict[str, dict[str, bytes]]:
    """Name and bytes of each, by part; the same at every call."""
    others, stripe_events.NUMBERS = stripe_events.NUMBERS, itertools.count(1)
    try:
        return {"verifier": HEADERS, "normalizer": _events()}
    finally:
        stripe_events.NUMBERS = others  # other tests of this process go on with theirs


def _events() -> dict[str, bytes]:
    makers = examples()
    events: dict[str, bytes] = {}
    for kind in SUPPORTED_EVENT_TYPES:
        told = event(kind, makers[kind](), id=f"evt_{len(events)}")
        events[kind] = json.dumps(told, separators=(",", ":")).encode()
    events["customer.created"] = json.dumps(event("customer.created", {"id": "cus_1"}, id="evt_x")).encode()
    events["contradicting"] = json.dumps(event(SUPPORTED_EVENT_TYPES[0], session(client_reference_id="b"), id="evt_y")).encode()
    return events


def dictionary() -> str:
    escaped = (word.replace("\\", "\\\\") for word in WORDS)
    return "".join(f'"{word}"\n' for word in escaped)


def write() -> None:
    for part, inputs in seeds().items():
        folder = CORPUS / part
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in inputs.items():
            (folder / name).write_bytes(data)
    (CORPUS / "dictionary").write_text(dictionary())


if __name__ == "__main__":
    write()
