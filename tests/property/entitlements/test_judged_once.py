"""A rebuild judges every payment once, at the end: it must come to the verdicts of the live service's steps."""

from __future__ import annotations

from random import Random

from entitlements.domain.projection import Projection
from entitlements.domain.verdict import NOTHING_KNOWN
from support.facts import when
from support.folding import Fold
from support.histories import random_history, random_policy


def test_judging_once_at_the_end_gives_the_verdicts_owners_and_ties_of_folding_fact_by_fact():
    for number in range(100):
        chance = Random(f"judged-once:{number}")
        policy = random_policy(chance)
        steps, at_once = Fold(policy), Projection(policy)
        history = [one.entry for one in random_history(chance)]
        chance.shuffle(history)
        for seq, entry in enumerate({entry.key: entry for entry in history}.values(), start=1):
            steps.hear(entry)
            at_once.learn(entry.fact(seq, when(10**6 + seq)))
        at_once.settle()
        expected = steps.projection
        verdicts = {user: row.verdict for user, row in expected.entitlements.items() if row.verdict != NOTHING_KNOWN}
        assert {user: row.verdict for user, row in at_once.entitlements.items()} == verdicts, number
        assert at_once.payments == expected.payments, number
        assert at_once.payment_of_ref == expected.payment_of_ref, number
        assert _facts(at_once) == _facts(expected), number


def _facts(projection: Projection) -> dict[int, int]:
    return {seq: projection.surviving(payment_id) for seq, payment_id in projection.payment_of_fact.items()}
