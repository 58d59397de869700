"""Applying facts one by one: to which payment each belongs, and whose entitlement it changes.

The same code runs over one batch in the live service (with what the batch touches loaded from the database) and over
the whole ledger in a rebuild (starting from nothing), so the two cannot differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from entitlements.domain.facts import BY_WORD, Fact, Knowledge, Snapshot, Tellings, add_to
from entitlements.domain.payment import PaymentVerdict, Review, judge
from entitlements.domain.policy import ENDED_THERE, Policy
from entitlements.domain.verdict import NOTHING_KNOWN, Grant, Verdict, decide, grants_by_word

ENDINGS = (
    "refunded",
    "chargeback_lost",
    "suspended_by_dispute",
    "revoked_by_operator",
    ENDED_THERE,
    "contradicting_user",
)
"""Why a period of granting ended. Where several end in the same second, the reason that comes first here is named."""

WHYS = ("operator", "imported", "purchase")
"""What made a user Pro; the first one is named where several began at the same moment."""


@dataclass(slots=True)
class Payment:
    """One payment: the ids that name it, and everything known about it."""

    id: int
    """The ledger sequence of the first fact about this payment."""
    provider: str
    refs: set[str]
    knowledge: dict[Snapshot, Tellings]
    user_id: str | None = None
    also: frozenset[str] = frozenset()
    """Users other than the owner who are affected: two were named as the buyer, or a person has to review whose the
    payment is."""
    review: str | None = None
    """Why a person has to review this payment, which is paid and may not grant; None when nobody has to."""
    verdict: PaymentVerdict | None = None
    """The verdict on ``knowledge``, computed when first needed and dropped when ``knowledge`` grows."""

    @property
    def users(self) -> frozenset[str]:
        """Every user whose verdict this payment may change."""
        return self.also | {self.user_id} if self.user_id else self.also

    def learn(self, knowledge: Knowledge) -> None:
        """Add to ``knowledge``."""
        add_to(self.knowledge, knowledge)
        self.verdict = None


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A user's row: the verdict, which fact caused it and when. ``version`` counts the changes; 0: there is no row."""

    user_id: str
    verdict: Verdict = NOTHING_KNOWN
    version: int = 0
    reason: str = "nothing_known"
    caused_by: str | None = None
    updated_at: datetime | None = None
    request_id: str | None = field(default=None, compare=False)
    """The request that told that fact; the ledger's readers set it, and no verdict depends on it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one user's entitlement, to be announced."""

    before: Entitlement
    after: Entitlement


@dataclass(frozen=True, slots=True)
class Refused:
    """A payment that needs review since ``fact``."""

    payment: Payment
    review: Review
    fact: Fact


@dataclass(slots=True)
class Projection:
    """Payments, who they belong to, and what everyone is entitled to."""

    policy: Policy
    payments: dict[int, Payment] = field(default_factory=dict)
    payment_of_ref: dict[str, int] = field(default_factory=dict)
    payment_of_fact: dict[int, int] = field(default_factory=dict)
    payments_of_user: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    entitlements: dict[str, Entitlement] = field(default_factory=dict)
    absorbed: dict[int, int] = field(default_factory=dict)
    """Payments that turned out to be the same as another one: their id → the id of the payment that remains."""
    reworded: set[str] = field(default_factory=set)
    """Users whose verdict stayed the same while its reason changed: their rows are saved, no event is published."""
    refused: list[Refused] = field(default_factory=list)
    """Payments that need review since one of the facts applied here."""

    def payments_for(self, user_id: str) -> list[Payment]:
        """The user's payments (and adjustments), oldest first."""
        return [self.payments[payment_id] for payment_id in sorted(self.payments_of_user.get(user_id, ()))]

    def add_payment(self, payment: Payment) -> None:
        """Add a payment that was loaded from the database."""
        self.payments[payment.id] = payment
        self.payment_of_ref.update(dict.fromkeys(payment.refs, payment.id))
        for user_id in payment.users:
            self.payments_of_user[user_id].add(payment.id)

    def apply(self, fact: Fact) -> list[Change]:
        """Add one fact. Returns the changes it makes, at most one per user; none for a fact about no payment."""
        if not fact.refs:
            return []
        same = self.spoken_of(fact)
        owners = {user_id for payment in same for user_id in payment.users}
        reviews = {payment.review for payment in same}
        judged = same[0].verdict if len(same) == 1 else None
        payment = self._learn(fact, same)
        self._settle_owner(payment)
        review = payment.verdict.review if payment.verdict else None
        if review and review.reason not in reviews:
            self.refused.append(Refused(payment, review, fact))
        if judged is not None and judged == payment.verdict:
            return []  # no user's verdict can change when the payment's verdict didn't
        changes = [self._reconsider(user_id, fact) for user_id in sorted(owners | payment.users)]
        return [change for change in changes if change]

    def learn(self, fact: Fact) -> None:
        """Add one fact without computing what it changes; call :meth:`settle` after the last one."""
        if fact.refs:
            self._learn(fact, self.spoken_of(fact))

    def settle(self) -> None:
        """Judge every payment and every user once. The verdicts are those that :meth:`apply` reaches fact by fact;
        versions and causes, which depend on the single steps, are left out.
        """
        for payment in self.payments.values():
            self._settle_owner(payment)
        for user_id in self.payments_of_user:
            verdict, reason = self._decide(user_id)
            if verdict != NOTHING_KNOWN:
                self.entitlements[user_id] = Entitlement(user_id, verdict, reason=reason)

    def surviving(self, payment_id: int) -> int:
        """The id of the payment that ``payment_id`` is part of by now."""
        while payment_id in self.absorbed:
            payment_id = self.absorbed[payment_id]
        return payment_id

    def judge(self, payment: Payment) -> PaymentVerdict:
        """The verdict on the payment, computed once and kept."""
        if payment.verdict is None:
            payment.verdict = judge(payment.knowledge, payment.provider, self.policy)
        return payment.verdict

    def spoken_of(self, fact: Fact) -> list[Payment]:
        """The known payments that the fact's ids name, oldest first. Several: the fact shows that they are one."""
        known = {self.payment_of_ref[ref] for ref in fact.refs if ref in self.payment_of_ref}
        return [self.payments[payment_id] for payment_id in sorted(known)]

    def _learn(self, fact: Fact, same: list[Payment]) -> Payment:
        payment = self._united(same) if same else Payment(fact.seq, fact.provider, set(), {})
        self.payments[payment.id] = payment
        payment.refs.update(fact.refs)
        self.payment_of_ref.update(dict.fromkeys(fact.refs, payment.id))
        self.payment_of_fact[fact.seq] = payment.id
        payment.learn(fact.knowledge())
        return payment

    def _settle_owner(self, payment: Payment) -> None:
        adjusted = _adjusted_user(payment)
        if adjusted:
            payment.user_id = adjusted
        else:
            verdict = self.judge(payment)
            payment.user_id, payment.also = verdict.user_id, verdict.others
            payment.review = verdict.review.reason if verdict.review else None
        for user_id in payment.users:
            self.payments_of_user[user_id].add(payment.id)

    def _united(self, same: list[Payment]) -> Payment:
        """Merge payments that turned out to be one into the oldest of them, and return it."""
        for payment in same:
            for user_id in payment.users:
                self.payments_of_user[user_id].discard(payment.id)
        oldest, *others = same
        for other in others:
            oldest.refs |= other.refs
            self.payment_of_ref.update(dict.fromkeys(other.refs, oldest.id))
            oldest.learn(other.knowledge)
            self.absorbed[other.id] = oldest.id
            del self.payments[other.id]
        return oldest

    def _reconsider(self, user_id: str, fact: Fact) -> Change | None:
        before = self.entitlements.get(user_id) or Entitlement(user_id)
        verdict, reason = self._decide(user_id)
        if verdict == before.verdict:
            if reason != before.reason and before.version:
                self.entitlements[user_id] = replace(before, reason=reason)
                self.reworded.add(user_id)
            return None
        after = replace(
            before,
            verdict=verdict,
            version=before.version + 1,
            reason=reason,
            caused_by=fact.event_id,
            updated_at=fact.recorded_at,
        )
        self.entitlements[user_id] = after
        return Change(before, after)

    def _decide(self, user_id: str) -> tuple[Verdict, str]:
        grants: list[Grant] = []
        for payment in self.payments_for(user_id):
            if payment.provider == "manual":
                grants += grants_by_word(payment.knowledge)
            else:
                grants.append(Grant(payment.provider, self.judge(payment).intervals_of(user_id)))
        verdict = decide(grants)
        return verdict, _reason(verdict, grants)


def _adjusted_user(payment: Payment) -> str | None:
    """The user whom an operator's adjustments and imported grants are about; None for a real payment."""
    return next((s.user_id for s in payment.knowledge if isinstance(s, BY_WORD)), None)


def _reason(verdict: Verdict, grants: Sequence[Grant]) -> str:
    """One stable word: what made the user Pro, or what ended it. It doesn't depend on the order in which facts came."""
    if verdict.is_pro:
        holding = [grant for grant in grants if grant.source == verdict.source and grant.lasts]
        return min((grant.intervals[-1].start, WHYS.index(grant.why), grant.why) for grant in holding)[2]
    endings = {
        interval.because
        for grant in grants
        for interval in grant.intervals
        if interval.end is not None and interval.end == verdict.active_until
    }
    return next((because for because in ENDINGS if because in endings), "nothing_known")
