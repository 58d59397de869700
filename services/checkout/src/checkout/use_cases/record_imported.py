"""Sessions that another app made become known ones: recorded here and in the ledger, as if this service had made them.

Recorded is only what would be ours without a record, so that a record loosens no rule but "known sessions only"; and
what is somebody's money although its metadata names nobody, so that a person looks at it (docs/decisions/0015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from atlas_contracts.billing import BillingData, CheckoutSessionFacts, Offer, RecordedSession, Via
from atlas_kit.messaging.events import now
from atlas_stripe.objects import Read, Unmappable, moment, reference
from atlas_stripe.reads import session_read
from atlas_stripe.session_ownership import is_somebody_elses, why_not_ours
from checkout.adapters import attempts
from checkout.adapters.attempts import Imported
from checkout.adapters.publishing import publish_facts
from checkout.domain.own_facts import purchase_initiated
from checkout.use_cases.owner_of_session import named_in
from checkout.use_cases.read_payment import arrival_by
from checkout.use_cases.tell_payments import Telling


@dataclass(frozen=True, slots=True)
class Recorded:
    """Whom sessions belong to before anything was recorded, and which were recorded just now."""

    owners: Mapping[str, str]
    new: frozenset[str]

    def owner(self, session: Read) -> str | None:
        return self.owners.get(session.id) or named_in(session.body)

    def is_new(self, session: Read) -> bool:
        return session.id in self.new


async def record_imported(
    tools: Telling, sessions: Sequence[Read], claimants: Mapping[str, str], *, dry_run: bool
) -> Recorded:
    """Record those of ``sessions`` that may be recorded for whoever claims them (by session id). Raises Unavailable.

    Told before the sessions themselves; nobody's verdict changes by it.
    """
    owners = await attempts.owners_of_sessions(tools.database, [session.id for session in sessions])
    made = await attempts.imported_sessions(tools.database, list(owners))
    rows = [row for session in sessions if (row := _row(tools, session, claimants.get(session.id), owners))]
    facts = [_fact(row) for row in rows]
    answer = await tools.entitlements.news(facts) if facts else None
    news = frozenset(answer.news) if answer else frozenset()
    new = [(row, fact) for row, fact in zip(rows, facts, strict=True) if fact.event_id in news]
    if new and not dry_run:
        await attempts.record_imported(tools.database, [row for row, _ in new])
        await publish_facts(tools.broker, [fact for _, fact in new])
    # What an earlier import recorded of a session without a user is a claim still, and no word of Stripe's.
    proven = {session_id: user for session_id, user in owners.items() if session_id not in made}
    return Recorded(proven, frozenset(row.session_id for row, _ in new))


def _row(tools: Telling, session: Read, claimant: str | None, owners: Mapping[str, str]) -> Imported | None:
    """What is recorded of a session; None where it is not."""
    if claimant is None or session.body.get("status") != "complete":
        return None
    named = named_in(session.body)
    try:
        facts = session_read(session.body, session.observed_at, arrival_by(Via.IMPORT)).checkout_session
    except Unmappable:
        return None
    if facts is None or facts.currency is None or named not in (None, claimant):
        return None
    amount = facts.amount_total if facts.amount_subtotal is None else facts.amount_subtotal
    if amount is None:
        return None
    if owners.get(session.id, claimant) != claimant or not _may_be_recorded(tools, facts, named):
        return None
    return Imported(
        session_id=session.id,
        user_id=claimant,
        customer_id=reference(session.body, "customer") or "",
        amount=amount,
        currency=facts.currency,
        offers=(Offer(amount=facts.amount_total, currency=facts.currency),) if facts.amount_total is not None else (),
        created_at=moment(session.body, "created"),
    )


def _may_be_recorded(tools: Telling, facts: CheckoutSessionFacts, named: str | None) -> bool:
    if named is None:
        return facts.payment_status == "paid" and not is_somebody_elses(facts.product_key, recorded=False)
    return why_not_ours(facts, named, None, replace(tools.rules, require_known_session=False)) is None


def _fact(row: Imported) -> BillingData:
    recorded = RecordedSession(
        id=row.session_id,
        amount=row.amount,
        currency=row.currency,
        offers=row.offers,
        price_id=attempts.IMPORTED,
        source=attempts.IMPORTED,
    )
    return purchase_initiated(row.user_id, row.customer_id or None, recorded, row.created_at, now(), Via.IMPORT)
