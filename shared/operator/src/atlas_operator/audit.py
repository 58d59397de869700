"""The audit: who paid and isn't Pro, and who is Pro and didn't pay. A pure comparison of lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from atlas_contracts.internal_api import ProviderPayment
from atlas_contracts.user_id import FORGOTTEN
from atlas_operator.revoking import REVOKED

Row = Mapping[str, Any]
Audited = dict[str, list[dict[str, Any]]]
WRONG = ("paidNotPro", "proNotPaid", "secondPayments")
AGREED = "agreed"
"""Differences from Stripe that an operator decided on: listed, but not counted as wrong."""


def compare(provider: Iterable[ProviderPayment], holders: Iterable[Row], reviews: Iterable[Row] = ()) -> Audited:
    """The differences between what Stripe says in the end and what we hold.

    Args:
        provider: each payment of ours as Stripe has it.
        holders: each user as we see them: `userId`, `isPro`, `status`, `source` and their `payments`.
        reviews: each payment that was paid and that we refuse: `userId`, `checkoutSessionId`, `reason`.

    """
    paid: dict[str, list[ProviderPayment]] = defaultdict(list)
    for payment in provider:
        paid[payment.user_id].append(payment)
    # Of somebody who was forgotten neither we nor Stripe can say whose the payment was: there is nothing to compare.
    held = {str(row["userId"]): row for row in holders if not str(row["userId"]).startswith(FORGOTTEN)}
    found: Audited = {kind: [] for kind in (*WRONG, AGREED)}
    for name in sorted({*paid, *held}):
        _compare_user(name, held.get(name), paid.get(name, []), found)
    told = {row["userId"] for kind in ("paidNotPro", AGREED) for row in found[kind]}
    for review in (*reviews, *(_review(payment) for rows in paid.values() for payment in rows if payment.refused)):
        if review.get("userId") not in told:
            told.add(review.get("userId"))
            _add_review(review, held.get(str(review.get("userId"))), found)
    return found


def _review(payment: ProviderPayment) -> Row:
    return {**payment.model_dump(mode="json", by_alias=True), "reason": payment.refused}


def _compare_user(name: str, mine: Row | None, theirs: list[ProviderPayment], found: Audited) -> None:
    granting = [payment for payment in theirs if payment.should_grant]
    if granting and not (mine and mine["isPro"]):
        kind = AGREED if _all_revoked(granting, mine) else "paidNotPro"
        found[kind].append(_paid_not_pro(name, granting, mine))
    # Stripe knows nothing of a grant by an operator or from another shop, so it can't confirm one.
    if mine and not granting and _through_stripe(mine):
        found["proNotPaid"].append(_pro_not_paid(name, theirs, mine))
    found["secondPayments"] += [_second(name, payment) for payment in _beside_the_first(mine)]


def _add_review(review: Row, mine: Row | None, found: Audited) -> None:
    """A payment that is paid at Stripe and may not grant: a person has to decide about the money."""
    # An operator has already made this buyer Pro: nothing is left to do.
    answered = bool(mine and mine["isPro"]) and any(
        _by_operator(payment) for payment in (mine or {}).get("payments", [])
    )
    found[AGREED if answered else "paidNotPro"].append(
        {
            "userId": review.get("userId"),
            "reason": f"Stripe: paid; here: {review.get('reason')}",
            "status": mine["status"] if mine else "none",
            "payments": [dict(review)],
        }
    )


def is_wrong(found: Audited) -> bool:
    """Whether anybody is wrong; what an operator said is not."""
    return any(found[kind] for kind in WRONG)


def users_in(found: Audited) -> list[str]:
    """All users with a wrong verdict. They are checked once more, because a payment may have come in between."""
    return sorted({row["userId"] for kind in ("paidNotPro", "proNotPaid") for row in found[kind] if row["userId"]})


def sessions_of(found: Audited, user: str) -> list[str]:
    """The checkout sessions because of which this user looked wrong. Some can only be found at Stripe by their id."""
    named = {
        str(payment["checkoutSessionId"])
        for kind in ("paidNotPro", "proNotPaid")
        for row in found[kind]
        if row["userId"] == user
        for payment in row["payments"]
        if payment.get("checkoutSessionId")
    }
    return sorted(named)


def _all_revoked(granting: list[ProviderPayment], mine: Row | None) -> bool:
    because = _because(mine)
    return all(because.get(payment.checkout_session_id) == REVOKED for payment in granting)


def _because(mine: Row | None) -> dict[Any, str]:
    payments = (mine or {}).get("payments", [])
    return {payment.get("checkoutSessionId"): str(payment.get("because")) for payment in payments}


def _by_operator(payment: Row) -> bool:
    return bool(payment.get("provider") == "manual")


def _through_stripe(mine: Row) -> bool:
    return bool(mine["isPro"]) and any(
        payment.get("provider") == "stripe" and payment.get("grants") for payment in mine["payments"]
    )


def _paid_not_pro(name: str, granting: list[ProviderPayment], mine: Row | None) -> dict[str, Any]:
    because = _because(mine)
    reasons = [because.get(payment.checkout_session_id, "unknown here") for payment in granting]
    return {
        "userId": name,
        "reason": f"Stripe: {granting[0].because}; here: {', '.join(dict.fromkeys(reasons))}",
        "status": mine["status"] if mine else "none",
        "payments": [payment.model_dump(mode="json", by_alias=True) for payment in granting],
    }


def _pro_not_paid(name: str, theirs: list[ProviderPayment], mine: Row) -> dict[str, Any]:
    said = ", ".join(payment.because for payment in theirs) or "no payment of this user"
    return {
        "userId": name,
        "reason": f"Stripe: {said}; here: {mine['status']} through {mine['source']}",
        "payments": [dict(payment) for payment in mine["payments"]],
    }


def _beside_the_first(mine: Row | None) -> list[Row]:
    granting = [payment for payment in (mine or {}).get("payments", []) if payment.get("grants") is True]
    return sorted(granting, key=lambda payment: (str(payment.get("since")), str(payment.get("id"))))[1:]


def _second(name: str, payment: Row) -> dict[str, Any]:
    return {"userId": name, "reason": "grants beside an earlier payment", **payment}
