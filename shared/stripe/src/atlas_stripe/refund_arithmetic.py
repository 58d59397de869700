"""How much of a payment was given back: one calculation for the policy that revokes and for the audit that checks it.

Pure. A charge has the sum of its refunds, and each refund has a status; neither is enough alone. When a refund fails,
Stripe lowers the charge's sum. So a failed refund is subtracted only from a sum that was reported before the failure
or in the same second (CONTRACT 11).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple


class AmountTold(NamedTuple):
    """A charge's sum of refunds (minor units), and when it was reported."""

    charge: str
    amount: int
    at: datetime
    read: bool = False
    """Whether we read it ourselves: objects that we read in the same second show the same state."""


class Failure(NamedTuple):
    """A refund (minor units) that failed or was canceled, and when its failure was first reported."""

    charge: str | None
    amount: int
    at: datetime
    read: bool = False
    """Whether we (also) read the failure ourselves in that second."""


def amount_refunded(succeeded: int, told: Iterable[AmountTold], failures: Collection[Failure]) -> int:
    """The amount given back, in minor units.

    It is the greater of two values: the sum of the refunds that succeeded; and, summed over all charges, the greatest
    reported sum of the charge after subtracting the failed refunds that it contains.

    Args:
        succeeded: the sum of the refunds that succeeded, in minor units.
        told: every sum that was reported for each charge of the payment.
        failures: the refunds that are failed or canceled now.

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
    """Whether the sum contains the failed refund: it was reported before the failure, or in the same second, unless we
    read both in that second.
    """
    if failure.at == told.at:
        return not (failure.read and told.read)
    return failure.at > told.at


def _charge_of(failure: Failure, charges: Collection[str]) -> str | None:
    """The failed refund's charge. One without (old API versions) is counted to the first of the charges by id."""
    return failure.charge or min(charges, default=None)
