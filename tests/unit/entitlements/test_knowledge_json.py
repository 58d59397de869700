"""What an older version makes of what a newer one wrote, and when a version has to say that it reads otherwise."""

from __future__ import annotations

from dataclasses import fields

from atlas_contracts.cloudevents import SCHEMA_VERSION
from entitlements.adapters.knowledge_json import decode_knowledge, encode_knowledge, knowledge_rows
from entitlements.domain.facts import (
    Adjustment,
    Charge,
    CheckoutSession,
    Dispute,
    Fact,
    FraudWarning,
    ImportedGrant,
    PaymentAdjustment,
    RecordedSession,
    Refund,
)
from entitlements.domain.fold_version import FOLD_VERSION
from entitlements.use_cases.forget import _renamed
from support.facts import Purchase
from support.folding import facts_of


def known(*facts: Fact):
    return {snapshot: span for fact in facts for snapshot, span in fact.knowledge().items()}


def test_what_is_read_in_facts_has_not_changed_without_another_number():
    """Whoever changes this raises FOLD_VERSION, and sees the projections of all installations rebuilt (decision 0010)."""
    kinds = (CheckoutSession, RecordedSession, Charge, Refund, Dispute, Adjustment, PaymentAdjustment, ImportedGrant, FraudWarning)
    assert (FOLD_VERSION, SCHEMA_VERSION, {kind.__name__: " ".join(field.name for field in fields(kind)) for kind in kinds}) == (
        3,
        3,
        {
            "CheckoutSession": "id payment_status mode amount_total currency livemode payment_link product_key user_id status"
            " completed_at paid_at failed_at paid_at_inferred amount_subtotal",
            "RecordedSession": "id user_id amount currency offers",
            "Charge": "id amount amount_refunded",
            "Refund": "id amount status charge",
            "Dispute": "id status",
            "Adjustment": "id action user_id",
            "PaymentAdjustment": "id action",
            "ImportedGrant": "user_id source active_from as_of active_until",
            "FraudWarning": "id fraud_type actionable",
        },
    )


def test_knowledge_of_a_newer_version_is_read_without_what_only_that_one_knows():
    buy = Purchase("ada", number=5)
    knowledge = known(*facts_of([buy.paid(at=0, event_id="evt_1"), buy.refund(id="re_1").told("succeeded", at=60, event_id="evt_2")]))
    rows = knowledge_rows(knowledge)
    for row in rows:
        row[1]["novelty"] = {"a": 1}
    gift = ["gift", {"id": "g_1"}, *rows[0][2:]]
    assert encode_knowledge(decode_knowledge([gift, *rows])) == encode_knowledge(knowledge)


def test_what_differs_only_in_what_we_do_not_know_is_the_same_and_was_told_over_the_whole_time():
    buy = Purchase(number=5)
    first, last = facts_of([buy.dispute(id="dp_1").told("won", at=0), buy.dispute(id="dp_1").told("won", at=60)])
    rows = [*knowledge_rows(first.knowledge()), *knowledge_rows(last.knowledge())]
    rows[1][1]["novelty"] = 1
    ((dispute, span),) = decode_knowledge(rows).items()
    assert (dispute, min(span).at, max(span).at) == (Dispute("dp_1", "won"), first.occurred_at, last.occurred_at)


def test_forgetting_a_user_loses_nothing_that_a_newer_version_knows():
    row = ["gift", {"id": "g_1", "user_id": "ada", "from": "grace"}, "t1", "e1", "t2", "e2"]
    assert _renamed(row, "ada", "forgotten:1") == ["gift", {"id": "g_1", "user_id": "forgotten:1", "from": "grace"}, *row[2:]]
    assert _renamed(row, "eve", "forgotten:1") == row
