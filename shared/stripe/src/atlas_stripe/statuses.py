"""Stripe's statuses, grouped by what they mean for us."""

from __future__ import annotations

SETTLED_PAYMENT_STATUSES = frozenset({"paid", "no_payment_required"})
"""``payment_status`` of a checkout session of which nothing is to be paid any more."""
FAILED_REFUND_STATUSES = frozenset({"failed", "canceled"})
"""``status`` of a refund that gave nothing back, or whose money came back to us."""
PAYMENT_INTENT_FAILED = frozenset({"requires_payment_method", "canceled"})
"""``status`` of a completed session's payment intent whose delayed payment failed."""
