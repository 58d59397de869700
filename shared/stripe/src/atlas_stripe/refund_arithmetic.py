"""How much of a payment was given back: one calculation for the policy that revokes and the audit that checks it.

Pure. A charge has a cumulative amount, each refund a status of its own; neither is enough alone. When a refund fails,
Stripe lowers the charge's cumulative amount; so a failed refund is subtracted only from an amount that was told before
it failed or in the same second (CONTRACT 11).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple


class AmountTold(NamedTuple):
    """A charge's cumulative amount refunded (minor units), and when it was told."""

    charge: str
    amount: int
    at: datetime
    read: bool = False
    """Whether we read it ourselves: objects that were read in one second are of one moment."""


class Failure(NamedTuple):
    """A refund that failed or was canceled, dated by what first told it."""

    charge: str | None
    amount: int
    at: datetime
    read: bool = False
    """Whether it was (also) read in that first second."""


def amount_refunded(succeeded: int, told: Iterable[AmountTold], failures: Collection[Failure]) -> int:
    """The greatest of the succeeded refunds' sum and, summed over charges, the greatest (amount told - failures in it).

    Args:
        succeeded: the sum of the refunds that succeeded, in minor units.
        told: every amount that was told of every charge of the payment.
        failures: of refunds that are failed or canceled now.

    """
    amounts = list(told)
    charges = {amount.charge for amount in amounts}
    whose = [(_charge_of(failure, charges), failure) for failure in failures]
    greatest: dict[str, int] = {}
    for amount in amounts:
        out = sum(failure.amount for charge, failure in whose if charge == amount.charge and _is_in(failure, amount))
        greatest[amount.charge] = max(greatest.get(amount.charge, 0), amount.amount - out)
    return max(succeeded, sum(greatest.values()))


def _is_in(failure: Failure, told: AmountTold) -> bool:
    """Whether the amount still holds what failed: told before the failure, or in its second but not read beside it."""
    if failure.at == told.at:
        return not (failure.read and told.read)
    return failure.at > told.at


def _charge_of(failure: Failure, charges: Collection[str]) -> str | None:
    """A refund without a charge (old API versions) belongs to the only one there is, else to the first by id."""
    return failure.charge or min(charges, default=None)
