"""The final-state check: who paid and isn't Pro, who is Pro and didn't pay. A pure comparison of two lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from atlas_contracts.internal_api import ProviderPayment

Row = Mapping[str, Any]
Found = dict[str, list[dict[str, Any]]]


def compare(provider: Iterable[ProviderPayment], holders: Iterable[Row]) -> Found:
    """The differences between what Stripe says in the end and what we hold.

    Args:
        provider: each payment of ours as Stripe has it.
        holders: each user as we see them: `userId`, `isPro`, `status`, `source` and their `payments`.

    """
    paid: dict[str, list[ProviderPayment]] = defaultdict(list)
    for payment in provider:
        paid[payment.user_id].append(payment)
    held = {str(row["userId"]): row for row in holders}
    names = sorted({*paid, *held})
    found: Found = {"paidNotPro": [], "proNotPaid": [], "secondPayments": []}
    for name in names:
        mine, theirs = held.get(name), paid.get(name, [])
        granting = [payment for payment in theirs if payment.should_grant]
        if granting and not (mine and mine["isPro"]):
            found["paidNotPro"].append(_paid_not_pro(name, granting, mine))
        # An operator's grant, or another shop's, is nothing that Stripe could confirm.
        if mine and not granting and _through_stripe(mine):
            found["proNotPaid"].append(_pro_not_paid(name, theirs, mine))
        found["secondPayments"] += [_second(name, payment) for payment in _beside_the_first(mine)]
    return found


def users_in(found: Found) -> list[str]:
    """Everybody with a wrong verdict; they are worth a second look, for somebody may have paid in between."""
    return sorted({row["userId"] for kind in ("paidNotPro", "proNotPaid") for row in found[kind]})


def _through_stripe(mine: Row) -> bool:
    return bool(mine["isPro"]) and any(
        payment.get("provider") == "stripe" and payment.get("grants") for payment in mine["payments"]
    )


def _paid_not_pro(name: str, granting: list[ProviderPayment], mine: Row | None) -> dict[str, Any]:
    known = {payment.get("checkoutSessionId"): payment for payment in (mine or {}).get("payments", [])}
    reasons = [known.get(payment.checkout_session_id, {}).get("because", "unknown here") for payment in granting]
    return {
        "userId": name,
        "reason": f"Stripe: {granting[0].because}; here: {', '.join(map(str, reasons))}",
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
