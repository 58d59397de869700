"""interim"""

from __future__ import annotations

from entitlements.domain.facts import CheckoutSession, Knowledge
from entitlements.domain.payment import PaymentVerdict


def needs_review(knowledge: Knowledge, verdict: PaymentVerdict) -> bool:
    return verdict.rejected is not None and any(
        isinstance(told, CheckoutSession) and told.payment_status == "paid" for told in knowledge
    )
