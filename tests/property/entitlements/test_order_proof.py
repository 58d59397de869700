"""Whatever the order, the repetitions, the doors and the company: the same facts give the same projection.

A fast subset runs always; ``ATLAS_LONG=1`` plays at least 20,000 histories.
"""

from __future__ import annotations

import itertools
import os
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entitlements.adapters.knowledge_json import decode_knowledge, encode_knowledge
from entitlements.adapters.ledger_entry import LedgerEntry
from entitlements.domain import payment, timeline
from entitlements.domain.facts import Stamp
from support.facts import Told
from support.folding import EXHAUSTIVE, Fold
from support.histories import check_against_oracle, check_history, random_history, random_policy

LONG = bool(os.environ.get("ATLAS_LONG"))
pytestmark = pytest.mark.timeout(0 if LONG else 180)
HISTORIES = 25_000 if LONG else 150
SMALL_HISTORIES = 1_000 if LONG else 10
SEED = int(os.environ.get("ATLAS_SEED", "20261123"))


@settings(max_examples=2_000 if LONG else 30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_any_order_repetition_prefix_door_and_company_gives_the_same_projection(chance):
    check_history(random_history(chance), random_policy(chance), chance)


def test_thousands_of_random_histories_agree_in_every_order_and_with_the_oracle():
    for number in range(HISTORIES):
        seed = f"{SEED}:{number}"
        chance = Random(seed)
        try:
            check_history(random_history(chance), random_policy(chance), chance)
        except AssertionError as failure:
            raise AssertionError(f"history {seed!r}: replay with Random({seed!r})") from failure
    print(f"histories: {HISTORIES}, seed {SEED}, all agree")


def test_small_histories_are_tried_in_every_order_there_is():
    played = 0
    for number in itertools.count():
        chance = Random(f"{SEED}:small:{number}")
        history = random_history(chance, EXHAUSTIVE)
        if len(history) < (5 if LONG else 4):
            continue
        policy = random_policy(chance)
        states = set()
        for order in itertools.permutations([one.entry for one in history]):
            fold = Fold(policy)
            fold.hear(*order)
            states.add(fold.state())
        assert len(states) == 1, f"history {SEED}:small:{number}"
        check_against_oracle(fold, history, policy)
        played += 1
        if played == SMALL_HISTORIES:
            return


@settings(max_examples=500 if LONG else 30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_knowledge_survives_being_written_and_read(chance):
    import json

    fold = Fold(random_policy(chance))
    fold.hear(*random_history(chance))
    for known in fold.projection.payments.values():
        text = encode_knowledge(known.knowledge)
        again = decode_knowledge(json.loads(text))
        assert again == known.knowledge
        assert encode_knowledge(again) == text
        shuffled = dict(chance.sample(list(again.items()), len(again)))
        assert encode_knowledge(shuffled) == text


# --- The tests of the tests: deliberately wrong folds must be caught ---------------------------------------------


class Increments(Fold):
    """Takes a charge's cumulative amount for an increment, as handlers do that write `refunded += amount`."""

    def __init__(self, policy=None):
        super().__init__(policy)
        self.refunded: dict[str, int] = {}

    def hear(self, *told):
        return super().hear(*(self._added_up(one.entry if isinstance(one, Told) else one) for one in told))

    def _added_up(self, entry: LedgerEntry) -> LedgerEntry:
        charge = entry.facts.get("charge")
        if not charge or entry.key in self.known:
            return entry
        total = self.refunded[charge["id"]] = self.refunded.get(charge["id"], 0) + charge["amountRefunded"]
        return LedgerEntry(entry.data, entry.type, {**entry.facts, "charge": {**charge, "amountRefunded": total}})


class ForgetsWhatCameBeforeItsPurchase(Fold):
    """Drops facts about payments it doesn't know yet."""

    def hear(self, *told):
        changes = []
        for one in told:
            entry = one.entry if isinstance(one, Told) else one
            refs = entry.fact(0, entry.data.occurred_at).refs
            if entry.data.user_id or any(ref in self.projection.payment_of_ref for ref in refs):
                changes += super().hear(entry)
        return changes


def caught(make, histories: int = 200) -> bool:
    for number in range(histories):
        chance = Random(f"{SEED}:{number}")
        try:
            check_history(random_history(chance), random_policy(chance), chance, make)
        except AssertionError:
            return True
    return False


def test_the_right_fold_is_not_caught():
    assert not caught(Fold, histories=30)


def test_a_fold_of_increments_is_caught():
    assert caught(Increments)


def test_a_fold_that_forgets_what_comes_too_early_is_caught():
    assert caught(ForgetsWhatCameBeforeItsPurchase)


def test_a_fold_where_the_last_arrival_wins_is_caught(monkeypatch):
    from datetime import timedelta

    real = timeline.conditions

    def by_arrival(knowledge, paid_at):
        moved = {
            snapshot: frozenset({Stamp(paid_at + timedelta(seconds=number), "evt")})
            for number, snapshot in enumerate(knowledge, start=1)
        }
        return real(moved, paid_at)

    monkeypatch.setattr(payment, "conditions", by_arrival)
    assert caught(Fold)


def test_a_fold_without_the_rank_of_statuses_is_caught(monkeypatch):
    monkeypatch.setattr(timeline, "rank", lambda snapshot: 0)
    assert caught(Fold, histories=2_000)
