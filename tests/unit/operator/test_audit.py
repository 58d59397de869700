"""The comparison behind `./atlas audit`."""

from __future__ import annotations

from typing import Any

from atlas_contracts.internal_api import ProviderPayment
from atlas_operator.audit import compare, is_wrong, sessions_of, users_in


def at_stripe(user: str, session: str = "cs_1", *, grants: bool = True, because: str = "paid") -> ProviderPayment:
    return ProviderPayment(
        user_id=user, checkout_session_id=session, payment_intent_id="pi_1", paid=True, amount=4900, amount_refunded=0,
        currency="usd", dispute_status=None, completed_at=None, should_grant=grants, because=because,
    )  # fmt: skip


def here(user: str, *payments: dict[str, Any], is_pro: bool = True, source: str = "stripe") -> dict[str, Any]:
    return {"userId": user, "isPro": is_pro, "status": "active" if is_pro else "revoked", "source": source, "payments": list(payments)}


def payment(session: str = "cs_1", *, grants: bool = True, since: str = "2026-01-01", because: str = "paid") -> dict[str, Any]:
    return {"id": session, "provider": "stripe", "grants": grants, "because": because, "since": since, "checkoutSessionId": session}


NOTHING: dict[str, list[dict[str, Any]]] = {"paidNotPro": [], "proNotPaid": [], "secondPayments": [], "agreed": []}


def test_where_stripe_and_the_ledger_agree_nothing_is_reported() -> None:
    assert compare([at_stripe("ada")], [here("ada", payment())]) == NOTHING


def test_who_paid_and_is_unknown_here_is_named() -> None:
    [row] = compare([at_stripe("ada")], [])["paidNotPro"]
    assert (row["userId"], row["reason"]) == ("ada", "Stripe: paid; here: unknown here")


def test_who_paid_and_was_revoked_here_is_named_with_both_reasons() -> None:
    found = compare([at_stripe("ada")], [here("ada", payment(grants=False, because="refunded"), is_pro=False)])
    assert found["paidNotPro"][0]["reason"] == "Stripe: paid; here: refunded"


def test_who_is_pro_through_a_payment_that_stripe_refunded_is_named() -> None:
    found = compare([at_stripe("ada", grants=False, because="refunded")], [here("ada", payment())])
    assert found["proNotPaid"][0]["reason"].startswith("Stripe: refunded")
    assert users_in(found) == ["ada"]


def test_who_is_pro_by_an_operators_word_needs_no_payment() -> None:
    manual = {"id": "manual", "provider": "manual", "grants": None, "because": "operator", "since": None}
    assert compare([], [here("ada", manual, source="manual")]) == NOTHING


def test_whom_nobody_knows_any_more_is_not_compared() -> None:
    found = compare([], [here("forgotten:0d4f", payment())])
    assert not is_wrong(found) and users_in(found) == []


def test_a_second_granting_payment_is_reported_and_the_first_is_not() -> None:
    found = compare(
        [at_stripe("ada"), at_stripe("ada", "cs_2")],
        [here("ada", payment("cs_2", since="2026-02-01"), payment("cs_1", since="2026-01-01"))],
    )
    assert [row["checkoutSessionId"] for row in found["secondPayments"]] == ["cs_2"]
    assert not users_in(found)


def test_a_payment_that_an_operator_revoked_is_agreed_and_not_wrong() -> None:
    revoked = payment(grants=False, because="revoked_by_operator")
    found = compare([at_stripe("ada")], [here("ada", revoked, is_pro=False)])
    assert [row["reason"] for row in found["agreed"]] == ["Stripe: paid; here: revoked_by_operator"]
    assert not is_wrong(found)
    assert not users_in(found)


def test_a_second_payment_that_is_missing_beside_a_revoked_one_is_wrong() -> None:
    revoked = payment(grants=False, because="revoked_by_operator")
    found = compare([at_stripe("ada"), at_stripe("ada", "cs_2")], [here("ada", revoked, is_pro=False)])
    assert [row["userId"] for row in found["paidNotPro"]] == ["ada"]
    assert found["agreed"] == []


REVIEW = {"userId": "ada", "checkoutSessionId": "cs_9", "reason": "amount_mismatch"}


def test_a_paid_and_refused_payment_is_listed_with_its_reason_though_stripe_was_not_asked_about_it() -> None:
    [row] = compare([], [here("ada", is_pro=False)], [REVIEW])["paidNotPro"]
    assert (row["userId"], row["reason"]) == ("ada", "Stripe: paid; here: amount_mismatch")


def test_a_refused_payment_is_listed_once_where_both_sides_tell_it() -> None:
    refused = payment("cs_9", grants=False, because="amount_mismatch")
    found = compare([at_stripe("ada", "cs_9")], [here("ada", refused, is_pro=False)], [REVIEW])
    assert [row["reason"] for row in found["paidNotPro"]] == ["Stripe: paid; here: amount_mismatch"]


def test_a_refused_payment_is_listed_though_its_buyer_is_pro_through_another() -> None:
    found = compare([at_stripe("ada")], [here("ada", payment())], [REVIEW])
    assert [row["userId"] for row in found["paidNotPro"]] == ["ada"]


def test_a_refused_payment_whose_buyer_an_operator_made_pro_is_answered() -> None:
    manual = {"id": "manual", "provider": "manual", "grants": None, "because": "operator", "since": None}
    found = compare([], [here("ada", manual, source="manual")], [REVIEW])
    assert [row["userId"] for row in found["agreed"]] == ["ada"]
    assert not is_wrong(found)


def test_the_second_look_asks_for_the_sessions_that_the_first_one_found() -> None:
    found = compare([at_stripe("ada", "cs_1"), at_stripe("ada", "cs_2")], [here("bob", payment("cs_3"))])
    assert sessions_of(found, "ada") == ["cs_1", "cs_2"]
    assert sessions_of(found, "bob") == ["cs_3"]


def test_a_payment_that_checkout_itself_refuses_is_listed_with_the_policys_reason() -> None:
    refused = at_stripe("ada", grants=False, because="amount_mismatch").model_copy(update={"refused": "amount_mismatch"})
    for reviews in ([], [REVIEW]):
        [row] = compare([refused], [], reviews)["paidNotPro"]
        assert (row["userId"], row["reason"]) == ("ada", "Stripe: paid; here: amount_mismatch")
