"""Stripe's statuses, grouped by what they mean for us."""

from __future__ import annotations

SETTLED_PAYMENT_STATUSES = frozenset({"paid", "no_payment_required"})
"""``payment_status`` of a checkout session for which nothing remains to be paid."""
FAILED_REFUND_STATUSES = frozenset({"failed", "canceled"})
"""``status`` of a refund by which the buyer got no money, or whose money came back to us."""
PAYMENT_INTENT_FAILED = frozenset({"requires_payment_method", "canceled"})
"""``status`` of the payment intent of a completed session whose delayed payment failed."""
