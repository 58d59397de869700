"""The comparison behind `./atlas audit`."""

from __future__ import annotations

from typing import Any

from atlas_contracts.internal_api import ProviderPayment
from atlas_devstack.operator.audit import compare, users_in


def at_stripe(user: str, session: str = "cs_1", *, grants: bool = True, because: str = "paid") -> ProviderPayment:
    return ProviderPayment(
        user_id=user, checkout_session_id=session, payment_intent_id="pi_1", paid=True, amount=4900, amount_refunded=0,
        currency="usd", dispute_status=None, completed_at=None, should_grant=grants, because=because,
    )  # fmt: skip


def here(user: str, *payments: dict[str, Any], is_pro: bool = True, source: str = "stripe") -> dict[str, Any]:
    return {"userId": user, "isPro": is_pro, "status": "active" if is_pro else "revoked", "source": source, "payments": list(payments)}


def payment(session: str = "cs_1", *, grants: bool = True, since: str = "2026-01-01", because: str = "paid") -> dict[str, Any]:
    return {"id": session, "provider": "stripe", "grants": grants, "because": because, "since": since, "checkoutSessionId": session}


NOTHING: dict[str, list[dict[str, Any]]] = {"paidNotPro": [], "proNotPaid": [], "secondPayments": []}


def test_agreement_is_silent() -> None:
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


def test_a_second_granting_payment_is_reported_and_the_first_is_not() -> None:
    found = compare(
        [at_stripe("ada"), at_stripe("ada", "cs_2")],
        [here("ada", payment("cs_2", since="2026-02-01"), payment("cs_1", since="2026-01-01"))],
    )
    assert [row["checkoutSessionId"] for row in found["secondPayments"]] == ["cs_2"]
    assert not users_in(found)
