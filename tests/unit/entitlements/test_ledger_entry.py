"""From the wire to the ledger's row, and from there to the fact."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from entitlements.domain.facts import Dispute, Refund
from entitlements.ledger_entry import ledger_entry, make_fact
from support.facts import Purchase, grant, when


def wire(fact, **data) -> bytes:
    event = json.loads(fact.wire)
    event["data"] |= data
    return json.dumps(event).encode()


def test_the_type_is_the_last_word_of_the_event_s_type():
    assert Purchase().paid(at=0).entry.type == "purchase_succeeded"
    assert Purchase().pending(at=0).entry.type == "purchase_pending"


def test_the_user_s_identity_stands_in_its_column_alone():
    entry = Purchase("ada-lovelace").paid(at=0).entry
    assert entry.data.user_id == "ada-lovelace"
    assert "ada-lovelace" not in json.dumps(entry.facts)
    assert "ada-lovelace" not in json.dumps(Purchase("ada-lovelace").recorded().entry.facts)
    assert "ada-lovelace" not in json.dumps(grant("ada-lovelace", 0).entry.facts)


def test_unknown_fields_of_an_event_are_kept():
    entry = ledger_entry(wire(Purchase().paid(at=0), novelty={"a": [1]}))
    assert not entry.newer
    assert entry.facts["novelty"] == {"a": [1]}
    assert entry.fact(1, when(0)).snapshots


def test_a_fact_of_a_newer_schema_version_is_kept_whole_and_says_nothing_yet():
    entry = ledger_entry(wire(Purchase().paid(at=0), schemaVersion=7, via="batch", charge={"id": 5}))
    assert entry.newer
    assert entry.facts["charge"] == {"id": 5}
    assert entry.facts["checkoutSession"]["paymentStatus"] == "paid"
    fact = entry.fact(1, when(0))
    assert (fact.snapshots, fact.refs) == ((), ())


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"null", b"[]", b'{"data": {}}', b"\xff", wire(Purchase().paid(at=0), occurredAt="yesterday"),
     wire(Purchase().paid(at=0), provider="paypal"), wire(Purchase().paid(at=0), providerEventId=""),
     wire(Purchase().paid(at=0), refs=None), wire(Purchase().paid(at=0), occurredAt="2026-03-01T12:00:00")],
)  # fmt: skip
def test_what_is_no_billing_event_is_refused(payload):
    with pytest.raises((ValidationError, ValueError)):
        ledger_entry(payload)


def test_the_same_moment_told_in_another_time_zone_is_the_same():
    utc = Purchase(number=1).paid(at=0, event_id="evt_1")
    zoned = ledger_entry(wire(utc, occurredAt="2026-03-01T14:00:00+02:00"))
    fact = zoned.fact(1, when(0))
    assert fact == utc.entry.fact(1, when(0))
    assert fact.occurred_at.isoformat() == "2026-03-01T12:00:00+00:00"


def test_refs_name_provider_and_kind_and_leave_the_customer_out():
    buy = Purchase(number=7)
    refs = buy.refund(id="re_7").told("succeeded", at=0).entry.fact(1, when(0)).refs
    assert set(refs) == {"stripe:payment_intent:pi_7", "stripe:charge:ch_7", "stripe:refund:re_7"}
    assert not any("cus_" in ref for ref in buy.paid(at=0).entry.fact(1, when(0)).refs)
    assert grant("ada", 0).entry.fact(1, when(0)).refs == ("manual:user:ada",)


def test_an_event_without_snapshots_ties_nothing():
    bare = json.loads(Purchase().paid(at=0).wire)
    bare["data"]["checkoutSession"] = None
    assert ledger_entry(json.dumps(bare).encode()).fact(1, when(0)).refs == ()


def test_a_fact_read_back_from_the_ledger_is_the_fact_that_was_folded():
    for told in (Purchase().paid(at=0), Purchase().recorded(), Purchase().dispute().told("won", at=1), grant("ada", 0)):
        entry = told.entry
        refs = entry.data.refs
        again = make_fact(
            seq=4,
            event_id=entry.data.event_id,
            event_type=entry.type,
            provider=entry.data.provider.value,
            user_id=entry.data.user_id,
            occurred_at=entry.data.occurred_at,
            recorded_at=when(0),
            ties={
                name: getattr(refs, name)
                for name in ("checkout_session_id", "payment_intent_id", "charge_id", "refund_id", "dispute_id")
            },
            schema_version=entry.data.schema_version,
            facts=json.loads(json.dumps(entry.facts)),
        )
        assert again == entry.fact(4, when(0))


def test_snapshots_hold_what_the_policy_needs():
    buy = Purchase()
    (refund,) = buy.refund(500, id="re_1").told("succeeded", at=0).entry.fact(1, when(0)).snapshots
    assert refund == Refund("re_1", 500, "succeeded", buy.charge)
    (dispute,) = buy.dispute(id="dp_1").told("lost", at=0).entry.fact(1, when(0)).snapshots
    assert dispute == Dispute("dp_1", "lost")


def test_moments_are_in_utc():
    session = Purchase().paid(at=0).entry.fact(1, datetime(2026, 1, 1, tzinfo=UTC)).snapshots[0]
    assert session.paid_at.utcoffset().total_seconds() == 0
