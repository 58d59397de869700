"""Tell what payments at Stripe come to, where the ledger doesn't know it yet: what a backfill does with sessions.

What is known already is not told again, by whatever door and under whatever id it came. Of a payment that is new, its
refunds and disputes are told, and folded, before its session: nobody becomes Pro for a moment through a payment that
was refunded long ago, and nothing of the kind is announced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from atlas_contracts.billing import BillingData, Via
from atlas_contracts.internal_api import CHECKOUT_SERVICE
from atlas_kit.process.concurrently import all_of
from atlas_kit.storage.database import Database
from atlas_stripe.objects import Read
from atlas_stripe.session_ownership import Record, Rules, is_somebody_elses, why_not_ours
from checkout.adapters import attempts
from checkout.adapters.publishing import publish_facts
from checkout.ports import ChargeReads, News, Publisher
from checkout.use_cases.find_payments import AT_ONCE
from checkout.use_cases.owner_of_session import named_in
from checkout.use_cases.read_payment import PaymentAtStripe, expanded_refunds, read_payment

FOLDED_SECONDS = 15.0
"""How long to wait until facts are folded. The stream keeps their order whether or not they are by then."""
FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True)
class Telling:
    """What telling payments needs."""

    database: Database
    stripe: ChargeReads
    broker: Publisher
    entitlements: News
    rules: Rules


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one session."""

    session_id: str
    user_id: str | None
    """Whom it was made for, where that is recorded, else whom its metadata names; None for nobody or a useless id."""
    result: Literal["new", "known", "refused"]
    because: str | None = None
    """Why it is refused: a stable word, the policy's own or why it can't be read."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One session with what we know about it."""

    payment: PaymentAtStripe
    record: Record | None

    @property
    def user_id(self) -> str | None:
        return self.record.user_id if self.record else named_in(self.payment.session)

    def refusal(self, rules: Rules) -> str | None:
        """Why it may not grant, as the policy and the audit see it; None when it is ours."""
        if self.payment.unreadable:
            return self.payment.unreadable
        session = next((fact.checkout_session for fact in self.payment.facts if fact.checkout_session), None)
        # The user whom we recorded keeps the payment, whoever is written into its metadata afterwards.
        named = named_in(self.payment.session) and self.user_id
        return why_not_ours(session, named, self.record, rules) if session else "not_complete"

    @property
    def is_our_business(self) -> bool:
        """Whether it is told at all: also what may not grant is somebody's money, for a person to look at."""
        product = (self.payment.session.get("metadata") or {}).get("productKey")
        return self.user_id is not None and not is_somebody_elses(product, recorded=self.record is not None)


@dataclass(frozen=True, slots=True)
class Looked:
    """What is found at Stripe about some sessions, compared with the ledger."""

    told: list[Told]
    news: list[BillingData]
    """The facts to be published."""


async def tell_payments(tools: Telling, sessions: Sequence[Read], via: Via, *, dry_run: bool = False) -> list[Told]:
    """What became of each session, in their order; ``dry_run``: what would.

    Sessions are read with their payment, charge and (to save requests) refunds expanded. Raises StripeFailure and
    Unavailable; a repetition goes on with what is still unknown.
    """
    looked = await look_at_payments(tools, sessions, via)
    if not dry_run:
        await publish_news(tools, looked.news)
    return looked.told


async def look_at_payments(tools: Telling, sessions: Sequence[Read], via: Via) -> Looked:
    """The first half of :func:`tell_payments`: read, and ask what is news."""
    cases = await _read(tools, sessions, via)
    facts = [fact for case in cases if case.is_our_business for fact in case.payment.facts]
    answer = await tools.entitlements.news(facts)
    news, forgotten = set(answer.news), set(answer.forgotten)
    told = [_told(case, tools.rules, news, forgotten) for case in cases]
    blocked = {one.session_id for one in told if one.because == FORGOTTEN}
    kept = [case for case in cases if case.is_our_business and case.payment.session_id not in blocked]
    return Looked(told, [fact for case in kept for fact in case.payment.facts if fact.event_id in news])


async def publish_news(tools: Telling, news: Iterable[BillingData]) -> None:
    """The second half: what speaks against a payment before its session. Raises Unavailable; repeating is harmless."""
    facts = list({fact.event_id: fact for fact in news}.values())
    await _publish_and_wait(tools, [fact for fact in facts if fact.checkout_session is None])
    await _publish_and_wait(tools, [fact for fact in facts if fact.checkout_session is not None])


async def _read(tools: Telling, sessions: Sequence[Read], via: Via) -> list[_Case]:
    records = await attempts.records_of_sessions(tools.database, [session.id for session in sessions])
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(session: Read) -> _Case:
        async with slots:
            payment = await read_payment(tools.stripe, session, via, thorough=expanded_refunds(session) is None)
            return _Case(payment, records.get(session.id))

    return await all_of(one(session) for session in sessions)


def _told(case: _Case, rules: Rules, news: set[str], forgotten: set[str]) -> Told:
    ids = {fact.event_id for fact in case.payment.facts}
    because = FORGOTTEN if ids & forgotten else case.refusal(rules)
    user_id = None if case.payment.unreadable == "unusable_user_id" else case.user_id
    if because:
        return Told(case.payment.session_id, None if because == FORGOTTEN else user_id, "refused", because)
    return Told(case.payment.session_id, user_id, "new" if ids & news else "known")


async def _publish_and_wait(tools: Telling, facts: Sequence[BillingData]) -> None:
    if facts:
        event_ids = await publish_facts(tools.broker, facts)
        await tools.entitlements.applied(CHECKOUT_SERVICE, event_ids, FOLDED_SECONDS)
