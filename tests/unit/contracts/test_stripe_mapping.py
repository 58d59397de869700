"""The mapping's table, row by row, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from atlas_contracts.billing import Via
from atlas_stripe.arrival import Arrival
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES, from_event
from atlas_stripe.objects import Unmappable
from atlas_stripe.reads import charge_read, dispute_read, refund_read, session_read
from support.mapping_table import ROWS, UNPAID
from support.stripe_events import charge, dispute, event, fraud_warning, refund, session

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
ARRIVAL = Arrival(Via.WEBHOOK, NOW, "sha256:00", signature_verified=True)
CREATED = datetime.fromtimestamp(1_790_000_100, UTC)


def mapped(event_type: str, obj: dict):
    return from_event(event(event_type, obj), ARRIVAL)


def kind(data) -> str:
    return data.event_id.rsplit(":", 1)[1]


@pytest.mark.parametrize(("event_type", "maker", "canonical"), ROWS)
def test_each_row_of_the_table(event_type: str, maker: Callable[[], dict], canonical: str) -> None:
    assert kind(mapped(event_type, maker())) == canonical


def test_the_table_covers_every_supported_type() -> None:
    assert {event_type for event_type, _, _ in ROWS} == set(SUPPORTED_EVENT_TYPES)


def test_an_unsupported_type_is_the_callers_mistake() -> None:
    with pytest.raises(KeyError):
        mapped("invoice.paid", {})


def test_every_event_carries_where_it_came_from() -> None:
    told = event("checkout.session.completed", session())
    data = from_event(told, ARRIVAL)
    assert data.event_id == f"stripe:{told['id']}:purchase_succeeded"
    assert (data.provider, data.provider_event_id) == ("stripe", told["id"])
    assert data.provider_event_type == "checkout.session.completed"
    assert (data.occurred_at, data.received_at) == (CREATED, NOW)
    assert (data.via, data.payload_hash, data.signature_verified) == ("webhook", "sha256:00", True)
    assert (data.product_key, data.plan_type) == ("pro_lifetime_v1", "one_time")


def test_a_session_gives_its_user_its_ties_and_its_absolute_facts() -> None:
    obj = session()
    data = mapped("checkout.session.completed", obj)
    assert data.user_id == obj["metadata"]["userId"]
    refs = data.refs
    assert (refs.checkout_session_id, refs.payment_intent_id) == (obj["id"], obj["payment_intent"])
    assert refs.customer_id == obj["customer"]
    facts = data.checkout_session
    assert facts
    assert (facts.amount_total, facts.currency, facts.mode, facts.livemode) == (1900, "usd", "payment", False)
    assert (facts.completed_at, facts.paid_at, facts.failed_at, facts.paid_at_inferred) == (
        CREATED,
        CREATED,
        None,
        False,
    )
    assert (facts.payment_link, facts.product_key) == (False, "pro_lifetime_v1")


def test_what_a_session_need_not_say_has_a_meaning_when_it_does_not() -> None:
    facts = mapped("checkout.session.completed", session(livemode=None, created=None)).checkout_session
    assert facts and (facts.livemode, facts.created_at) == (False, None)
    charged = mapped("charge.refunded", charge(paid=None)).charge
    assert charged and charged.paid


def test_an_unpaid_session_is_completed_and_not_paid() -> None:
    facts = mapped("checkout.session.completed", session(**UNPAID)).checkout_session
    assert facts and (facts.completed_at, facts.paid_at) == (CREATED, None)


def test_a_delayed_success_says_when_it_was_paid_and_not_when_it_was_completed() -> None:
    facts = mapped("checkout.session.async_payment_succeeded", session()).checkout_session
    assert facts and (facts.completed_at, facts.paid_at) == (None, CREATED)


def test_a_delayed_success_that_is_not_paid_makes_no_sense() -> None:
    with pytest.raises(Unmappable):
        mapped("checkout.session.async_payment_succeeded", session(**UNPAID))


def test_a_session_of_a_payment_link_says_so() -> None:
    facts = mapped("checkout.session.completed", session(payment_link="plink_1")).checkout_session
    assert facts and facts.payment_link is True


def test_client_reference_id_alone_names_no_user() -> None:
    assert mapped("checkout.session.completed", session(metadata={})).user_id is None
    assert mapped("checkout.session.completed", session(metadata=None)).user_id is None


def test_a_client_reference_id_that_contradicts_the_metadata_is_refused() -> None:
    with pytest.raises(Unmappable) as refused:
        mapped("checkout.session.completed", session(client_reference_id="another"))
    assert refused.value.reason == "contradicting_user"


def test_a_refund_and_a_dispute_know_their_charge_even_without_a_payment_intent() -> None:
    for event_type, obj in (
        ("refund.created", refund(payment_intent=None)),
        ("charge.dispute.created", dispute(payment_intent=None)),
    ):
        data = mapped(event_type, obj)
        assert data.user_id is None
        assert (data.refs.payment_intent_id, data.refs.charge_id) == (None, obj["charge"])


def test_an_expanded_reference_counts_as_its_id() -> None:
    data = mapped("refund.created", refund(charge={"id": "ch_expanded", "object": "charge"}))
    assert data.refs.charge_id == "ch_expanded"


def test_the_cumulative_amount_of_a_charge_is_taken_as_it_is() -> None:
    facts = mapped("charge.refunded", charge(amount_refunded=700)).charge
    assert facts and (facts.amount, facts.amount_refunded) == (1900, 700)


def test_a_fraud_warning_tells_its_payment_and_whether_something_can_still_be_done() -> None:
    told = fraud_warning(actionable=False)
    data = mapped("radar.early_fraud_warning.updated", told)
    assert (data.refs.charge_id, data.refs.payment_intent_id) == (told["charge"], told["payment_intent"])
    assert data.user_id is None
    facts = data.fraud_warning
    assert facts and (facts.id, facts.actionable, facts.fraud_type) == (told["id"], False, "unauthorized_use_of_card")


def test_an_upper_case_currency_is_refused_and_says_why() -> None:
    with pytest.raises(Unmappable) as refused:
        mapped("checkout.session.completed", session(currency="USD"))
    assert refused.value.detail == "currency must be a three-letter code in lower case, as Stripe sends it."


MALFORMED = [
    *(("radar.early_fraud_warning.created", fraud_warning(**change)) for change in (
        {"id": None}, {"charge": None, "payment_intent": None}, {"charge": 3}, {"actionable": "yes"}, {"fraud_type": []},
    )),
    *(("checkout.session.completed", session(**change)) for change in (
        {"id": None}, {"id": 1}, {"id": ""}, {"payment_status": None}, {"payment_status": ["paid"]}, {"payment_status": {}},
        {"mode": None}, {"amount_total": "1"}, {"amount_total": -1}, {"amount_total": True}, {"amount_total": 1.0}, {"amount_total": 10**13},
        {"currency": "USD"}, {"currency": "usdx"}, {"currency": 840}, {"livemode": "false"},
        {"created": 0}, {"created": 10**20}, {"metadata": []},
        {"metadata": {"productKey": 7}}, {"client_reference_id": 7}, {"payment_intent": 7}, {"payment_intent": {}}, {"customer": []},
    )),
    *(("charge.refunded", charge(**change)) for change in ({"amount": None}, {"amount_refunded": None}, {"paid": "yes"}, {"id": "\n"})),
    *(("refund.created", refund(**change)) for change in ({"status": None}, {"status": []}, {"amount": None}, {"id": None})),
    *(("charge.dispute.created", dispute(**change)) for change in ({"status": None}, {"status": 3}, {"id": None}, {"amount": -5})),
]  # fmt: skip


@pytest.mark.parametrize(("event_type", "obj"), MALFORMED)
def test_an_object_that_makes_no_sense_is_refused_without_its_content(event_type: str, obj: dict) -> None:
    with pytest.raises(Unmappable) as refused:
        mapped(event_type, obj)
    assert refused.value.reason == "malformed_object"
    assert "user_" not in refused.value.detail


def test_an_event_with_an_impossible_time_is_refused() -> None:
    for created in (0, -1, 10**12):
        with pytest.raises(Unmappable):
            from_event(event("refund.created", refund(), created=created), ARRIVAL)


def test_reading_the_same_object_in_the_same_second_is_the_same_fact() -> None:
    obj = session()
    assert session_read(obj, NOW, ARRIVAL).event_id == session_read(obj, NOW, ARRIVAL).event_id
    changed = {**obj, "payment_status": "unpaid"}
    assert session_read(changed, NOW, ARRIVAL).provider_event_id != session_read(obj, NOW, ARRIVAL).provider_event_id


def test_a_read_session_infers_when_the_money_moved() -> None:
    intent = {
        "id": "pi_1",
        "status": "succeeded",
        "latest_charge": {"id": "ch_1", "created": 1_790_000_050, "balance_transaction": {"created": 1_790_000_060}},
    }
    data = session_read(session(payment_intent=intent), NOW, ARRIVAL)
    facts = data.checkout_session
    assert facts and facts.paid_at_inferred
    assert facts.paid_at == datetime.fromtimestamp(1_790_000_060, UTC)
    assert facts.completed_at == datetime.fromtimestamp(1_790_000_050, UTC)
    assert (data.refs.payment_intent_id, data.refs.charge_id) == ("pi_1", "ch_1")
    assert data.signature_verified is False


def test_a_read_session_with_a_failed_delayed_payment_has_failed() -> None:
    intent = {"id": "pi_1", "status": "requires_payment_method", "latest_charge": None}
    assert kind(session_read(session(payment_intent=intent, **UNPAID), NOW, ARRIVAL)) == "purchase_failed"


def test_an_open_read_session_is_pending_and_an_expired_one_expired() -> None:
    assert kind(session_read(session(status="open", **UNPAID), NOW, ARRIVAL)) == "purchase_pending"
    assert kind(session_read(session(status="expired", **UNPAID), NOW, ARRIVAL)) == "purchase_expired"


def test_charges_refunds_and_disputes_are_read_as_they_are_told() -> None:
    assert kind(charge_read(charge(), NOW, ARRIVAL)) == "charge_observed"
    assert kind(refund_read(refund(status="failed"), NOW, ARRIVAL)) == "refund_failed"
    assert kind(dispute_read(dispute(status="lost"), NOW, ARRIVAL)) == "chargeback_lost"
    for data in (charge_read(charge(), NOW, ARRIVAL), refund_read(refund(), NOW, ARRIVAL)):
        assert data.occurred_at == NOW
        assert data.provider_event_type == "read"
