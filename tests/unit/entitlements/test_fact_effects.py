"""What each fact of a payment did: found without judging every beginning of a long history."""

from __future__ import annotations

from itertools import pairwise

from entitlements.domain.payment import PaymentVerdict
from entitlements.use_cases.fact_effects import FEW, changes


def found(verdicts: list[PaymentVerdict]) -> tuple[list[int], int]:
    """The numbers of the facts that changed the verdict, and how many verdicts had to be made."""
    asked = []

    def judged(count: int) -> PaymentVerdict:
        asked.append(count)
        return verdicts[count]

    return [number for number, _, _ in changes(len(verdicts) - 1, judged)], len(asked)


def changed(verdicts: list[PaymentVerdict]) -> list[int]:
    return [number for number, (before, after) in enumerate(pairwise(verdicts), start=1) if before != after]


def verdict(name: str) -> PaymentVerdict:
    return PaymentVerdict(name)


def test_of_a_few_facts_every_change_is_found_even_one_that_is_taken_back() -> None:
    verdicts = [verdict("none"), *[verdict("a")] * 30, verdict("b"), *[verdict("a")] * (FEW - 32), verdict("none")]

    assert found(verdicts)[0] == changed(verdicts) == [1, 31, 32, FEW]


def test_no_fact_and_one_fact() -> None:
    assert found([verdict("none")])[0] == []
    assert found([verdict("none"), verdict("a")])[0] == [1]


def test_of_two_thousand_facts_the_changes_are_found_by_few_judgements() -> None:
    verdicts = [verdict("none"), verdict("none"), *[verdict("a")] * 1_500, *[verdict("b")] * 499]

    numbers, judgements = found(verdicts)

    assert numbers == changed(verdicts)
    assert judgements < 60
