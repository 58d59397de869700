"""Facts folded in every order: :func:`told` fails when two orders differ, so every policy test is a test of order-proofness.

buy = Purchase("ada")
state = told(buy.paid(at=0), buy.charge_refunded(at=60, amount=999))
assert state.status("ada") == "revoked"
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from entitlements.adapters.knowledge_json import encode_knowledge
from entitlements.adapters.ledger_entry import LedgerEntry
from entitlements.domain.facts import Fact
from entitlements.domain.payment import PaymentVerdict, judge
from entitlements.domain.policy import Policy
from entitlements.domain.projection import Change, Projection
from entitlements.domain.verdict import NOTHING_KNOWN, Verdict
from support.facts import Purchase, Told, when

EXHAUSTIVE = 6
"""Up to so many facts every permutation is tried (720); beyond, SAMPLED random ones."""
SAMPLED = 200


class Fold:
    """The service without its database: the ledger's unique key, then the real projection, fact by fact."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.projection = Projection(policy or Policy())
        self.known: set[tuple[str, str]] = set()
        self.seq = 0
        self.changes: list[Change] = []

    def hear(self, *told: Told | LedgerEntry) -> list[Change]:
        """Append what is new and fold it; the changes it made."""
        changes: list[Change] = []
        for one in told:
            entry = one.entry if isinstance(one, Told) else one
            if entry.key in self.known:
                continue
            self.known.add(entry.key)
            self.seq += 1
            changes += self.projection.apply(entry.fact(self.seq, when(10**6 + self.seq)))
        self.changes += changes
        return changes

    def verdict(self, user: str = "ada") -> Verdict:
        found = self.projection.entitlements.get(user)
        return found.verdict if found else NOTHING_KNOWN

    def status(self, user: str = "ada") -> str:
        return self.verdict(user).status

    def reason(self, user: str = "ada") -> str:
        found = self.projection.entitlements.get(user)
        return found.reason if found else "nothing_known"

    def is_pro(self, user: str = "ada") -> bool:
        return self.verdict(user).is_pro

    def version(self, user: str = "ada") -> int:
        found = self.projection.entitlements.get(user)
        return found.version if found else 0

    def judged(self, purchase: Purchase) -> PaymentVerdict:
        """What the purchase's payment means."""
        ids = (f"stripe:payment_intent:{purchase.intent}", f"stripe:checkout_session:{purchase.session_id}")
        found = next(self.projection.payment_of_ref[ref] for ref in ids if ref in self.projection.payment_of_ref)
        payment = self.projection.payments[self.projection.surviving(found)]
        return judge(payment.knowledge, payment.provider, self.projection.policy)

    def reviews(self) -> set[tuple[str, str]]:
        """(user, why) of every payment that was paid and may not grant."""
        found = [p.verdict.review for p in self.projection.payments.values() if p.verdict and p.verdict.review]
        return {(user, review.reason) for review in found for user in review.users}

    def state(self) -> str:
        """Verdicts and knowledge, byte for byte, without what may depend on arrival (version, updatedAt, ids)."""
        entitlements = {
            user: {**dataclasses.asdict(row.verdict), "reason": row.reason}
            for user, row in sorted(self.projection.entitlements.items())
            if row.verdict != NOTHING_KNOWN
        }
        payments = sorted(
            [sorted(p.refs), p.provider, p.user_id, sorted(p.also), p.review, encode_knowledge(p.knowledge)]
            for p in self.projection.payments.values()
        )
        return json.dumps([entitlements, payments], default=str, sort_keys=True)


def orders(entries: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Every order of a few, random orders of many (always the same ones)."""
    if len(entries) <= EXHAUSTIVE:
        yield from itertools.permutations(entries)
        return
    chance = random.Random(len(entries))
    yield entries
    for _ in range(SAMPLED):
        yield chance.sample(entries, len(entries))


def told(*facts: Told, policy: Policy | None = None, make: Callable[[Policy | None], Fold] = Fold) -> Fold:
    """The state after these facts; the same in every order, or this fails."""
    entries = [one.entry for one in facts]
    first: Fold | None = None
    for order in orders(entries):
        fold = make(policy)
        fold.hear(*order)
        first = first or fold
        assert fold.state() == first.state(), f"another order, another verdict: {[e.data.event_id for e in order]}"
    assert first
    return first


def facts_of(told_: Iterable[Told]) -> list[Fact]:
    return [one.entry.fact(seq, when(10**6)) for seq, one in enumerate(told_, start=1)]
