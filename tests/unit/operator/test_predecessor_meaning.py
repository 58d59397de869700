"""What rows of the web app mean, and what the web app itself makes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from atlas_operator.predecessor.meaning import RowsMeaning, meaning_of
from atlas_operator.predecessor.rows import Person
from atlas_operator.predecessor.there import verdict_there

NOW = datetime(2026, 11, 26, tzinfo=UTC)
MADE, CHANGED = "2024-01-01T10:00:00", "2024-06-01T10:00:00.5"


def pro(source: str = "manual", status: str = "active", restored: str | None = None, **more: Any) -> dict[str, Any]:
    return {"status": status, "source": source, "restoredAt": restored, "createdAt": MADE, "updatedAt": CHANGED, **more}


def projection(provider: str | None = "manual", status: str = "active", **more: Any) -> dict[str, Any]:
    return {
        "productKey": "pro_lifetime_v1", "status": status, "provider": provider, "customer": None, "activeFrom": None,
        "activeUntil": None, "createdAt": MADE, "updatedAt": CHANGED, **more,
    }  # fmt: skip


def event(transaction: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "row1", "provider": "stripe", "type": "purchase_succeeded", "providerEventId": "evt_1", "transaction": transaction,
        "productKey": "pro_lifetime_v1", "kind": "object", "customer": None, "payload": "{}", **more,
    }  # fmt: skip


def person(pro: Any = None, *projections: Any, events: Any = (), state: Any = "there", user: str = "ada") -> Person:
    return Person(user, state, pro, list(projections), list(events))


def told(*arguments: Any, **more: Any) -> RowsMeaning:
    return meaning_of(person(*arguments, **more), NOW)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("source", "ours"), [("manual", "manual"), ("promo", "manual"), ("app_store", "ios_iap"), ("play_store", "android_iap")]
)
def test_sources_are_mapped_and_the_reason_keeps_the_apps_own_word(source: str, ours: str) -> None:
    grant = told(pro(source)).grant
    assert (grant.source, grant.reason) == (ours, f"{source} in ProEntitlement of project-atlas")
    assert verdict_there(person(pro(source))) == {"isPro": True, "status": "active", "source": ours}


def test_the_projection_decides_where_there_is_one() -> None:
    assert told(pro("app_store"), projection("manual")).grant.source == "manual"
    assert told(pro("manual"), projection("stripe")).grant is None
    assert told(pro("manual"), projection("ios_iap", "none")).grant is None
    assert verdict_there(person(pro("manual"), projection("stripe", "revoked"))) == {"isPro": False, "status": "revoked", "source": "stripe"}


def test_one_of_another_product_decides_nothing_and_is_told() -> None:
    meaning = told(pro("promo"), projection("stripe", productKey="stickers"))
    assert meaning.grant.source == "manual"
    assert [(row.what, row.because) for row in meaning.refused] == [("BillingEntitlementProjection of stickers", "it is not of pro_lifetime_v1")]


def test_without_a_provider_pro_entitlement_says_of_what_kind_it_is() -> None:
    assert told(pro("play_store"), projection(None)).grant.source == "android_iap"
    [refusal] = told(None, projection(None)).refused
    assert "names no provider" in refusal.because


@pytest.mark.parametrize(
    ("rows", "date"),
    [
        ((pro(restored="2024-02-02T00:00:00"),), "2024-02-02T00:00:00"),
        ((pro(),), MADE),
        ((None, projection(activeFrom="2024-03-03T00:00:00")), "2024-03-03T00:00:00"),
        ((pro(restored="2024-02-02T00:00:00"), projection(activeFrom="2024-03-03T00:00:00")), "2024-03-03T00:00:00"),
        ((pro(restored="2024-02-02T00:00:00"), projection()), "2024-02-02T00:00:00"),
        ((None, projection()), MADE),
    ],
)
def test_the_date_is_active_from_else_restored_at_else_created_at_in_utc(rows: Any, date: str) -> None:
    grant = told(*rows).grant
    assert (grant.active_from, grant.active_until, grant.as_of) == (at(date), None, at(CHANGED))


@pytest.mark.parametrize(
    ("row", "until"),
    [
        (projection(status="revoked", activeUntil="2024-05-05T00:00:00"), "2024-05-05T00:00:00"),
        (projection(status="revoked"), CHANGED),
        (projection(status="revoked", activeUntil="2031-05-05T00:00:00"), CHANGED),
        (projection(status="revoked", activeUntil="2020-05-05T00:00:00"), CHANGED),
        (projection(status="revoked", updatedAt="2020-05-05T00:00:00"), MADE),
        (projection(status="active", activeUntil="2024-05-05T00:00:00"), None),
    ],
)
def test_what_has_ended_ends_when_the_app_says_or_when_it_last_changed_the_row(row: Any, until: str | None) -> None:
    assert told(None, row).grant.active_until == (at(until) if until else None)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((pro("lottery"),), "a source is one of"),
        ((pro(status="paused"),), "a status is one of"),
        ((None, projection("paypal")), "a provider is one of"),
        ((None, projection(activeFrom="2031-01-01T00:00:00")), "begins in the future"),
        ((pro(restored="infinity"),), "infinity is no time"),
        ((pro(restored="0044-03-15T00:00:00 BC"),), "is no time"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(rows: Any, words: str) -> None:
    meaning = told(*rows)
    assert meaning.grant is None
    [refusal] = meaning.refused
    assert words in f"{refusal.what}: {refusal.because}"


@pytest.mark.parametrize(("state", "words"), [("deleted", "was deleted"), ("missing", "is gone")])
def test_of_an_account_that_is_gone_nothing_is_read(state: str, words: str) -> None:
    meaning = told(pro(), events=[event("pi_1")], state=state)
    assert (meaning.grant, meaning.payments) == (None, [])
    [refusal] = meaning.refused
    assert words in refusal.because


@pytest.mark.parametrize("user", ["u" * 300, " ada", "ada\u202e", "a\tb"])
def test_a_user_id_that_nobody_can_have_is_refused(user: str) -> None:
    meaning = told(pro(), user=user)
    assert meaning.grant is None and len(meaning.refused) == 1


def test_ids_are_found_wherever_the_app_left_them_and_once_each() -> None:
    meaning = told(
        None,
        projection("stripe", customer="cus_1"),
        events=[
            event("pi_1", customer="cus_1"),
            event("cs_test_1", customer="cus_2"),
            event(None, type="restore_succeeded", providerEventId="restore:cs_test_2:1"),
            event(None, type="restore_succeeded", payload='{"a": [{"session": "cs_live_3"}], "secret": "pi_4_secret_x", "no": "xpi_9"}'),
            event("ch_1", type="refund_issued", payload='{"payment_intent": "pi_1"}'),
        ],
    )
    assert meaning.customers == ["cus_1", "cus_2"]
    assert meaning.payments == ["pi_1", "cs_test_1", "cs_test_2", "cs_live_3", "pi_4"]
    assert meaning.refused == []


@pytest.mark.parametrize(
    "row",
    [
        event("pi_" + "9" * 297), event("pi_\x1b[31m"), event("hello"), event("pi_1", provider="paypal"), event("pi_1", productKey="stickers"),
        event(None, kind="array"), event(None, customer="ada@example.com"),
    ],
)  # fmt: skip
def test_garbage_in_the_ledger_is_refused_with_one_short_line_and_the_rest_goes_on(row: Any) -> None:
    meaning = told(pro(), events=[row, event("pi_7")])
    assert meaning.grant and meaning.payments == ["pi_7"]
    [refusal] = meaning.refused
    assert len(refusal.what) < 120 and refusal.what.isprintable()


def test_whoever_has_nothing_is_nobody() -> None:
    assert verdict_there(person()) == {"isPro": False, "status": "none", "source": None}
    assert verdict_there(person(pro(), projection(None, "none"))) == {"isPro": False, "status": "none", "source": None}
