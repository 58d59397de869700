"""Which provider id names a payment: its payment intent, else its checkout session, else another id that is known."""

from __future__ import annotations

from collections.abc import Iterable

KINDS = ("payment_intent", "checkout_session", "charge", "dispute", "refund", "user")


def payment_name(refs: Iterable[str]) -> str:
    """The provider's id that names the payment, out of refs such as ``stripe:payment_intent:pi_1``."""
    ranked = sorted((KINDS.index(kind), name) for _, kind, name in (ref.split(":", 2) for ref in refs))
    return ranked[0][1]


def named(refs: Iterable[str], kind: str) -> str | None:
    """The provider's id of one kind: the smallest where there are several, None where there is none."""
    return min((name for _, k, name in (ref.split(":", 2) for ref in refs) if k == kind), default=None)
