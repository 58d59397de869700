"""What each fact of a payment did to its verdict when it came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from entitlements.domain.payment import PaymentVerdict

FEW = 64
"""Facts up to which the verdict after each of them is judged; judging costs as much as there are facts before it."""


def changes(
    count: int, judged: Callable[[int], PaymentVerdict]
) -> Iterator[tuple[int, PaymentVerdict, PaymentVerdict]]:
    """Each fact (counted from 1) that changed the verdict, with the verdict before it and after it.

    ``judged`` gives the verdict on the first so many facts. Of a payment with more than :data:`FEW` facts, those
    between two equal verdicts are not judged one by one: a verdict has every period in which the payment granted, so
    whatever changed it in between has left it as it was.
    """
    verdict = cache(judged)

    def between(first: int, last: int) -> Iterator[int]:
        if first == last or (count > FEW and verdict(first) == verdict(last)):
            return
        if last - first == 1:
            if verdict(first) != verdict(last):
                yield last
            return
        middle = (first + last) // 2
        yield from between(first, middle)
        yield from between(middle, last)

    for number in between(0, count):
        yield number, verdict(number - 1), verdict(number)
