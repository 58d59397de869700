"""What another app knows of Stripe's objects: Stripe is asked about each, and what it says is told as by a backfill.

Sessions are read a hundred at a time, newest first, for as long as that costs no more requests than reading each id
that is left by itself; then those are read by themselves. Everything may be repeated, stopped, and run twice at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from atlas_contracts.billing import Via
from atlas_contracts.moving_in import ClaimOutcome, ImportProgress, ImportPurchasesRequest
from atlas_kit.process.logs import get_logger
from atlas_stripe.failure import StripeFailure
from atlas_stripe.objects import Read, could_be_id, reference
from checkout.adapters.customers import is_deleted, owner_of_customer, store_customer, stored_customer
from checkout.domain import claims as words
from checkout.domain.claims import Claims
from checkout.ports import ClaimReads, SessionPage
from checkout.use_cases.owner_of_session import named_in
from checkout.use_cases.record_imported import record_imported
from checkout.use_cases.tell_payments import Telling, Told, tell_payments

log = get_logger()

SINGLY_AT_ONCE = 20
"""Ids that are read one by one before progress is told."""
Line = ClaimOutcome | ImportProgress


@dataclass(frozen=True, slots=True)
class Importer:
    """What importing needs."""

    telling: Telling
    stripe: ClaimReads
    dry_run: bool


async def import_purchases(tools: Importer, request: ImportPurchasesRequest) -> AsyncIterator[Line]:
    """What became of each claim, as it is settled. Raises StripeFailure and Unavailable."""
    waiting = Claims((claim.user_id, [*claim.customer_ids, *claim.payment_ids]) for claim in request.claims)
    for object_id in [name for name in waiting.left("session", "payment", "customer") if not could_be_id(name)]:
        for user_id in waiting.settle(object_id):
            yield _refused(user_id, object_id, words.NO_SESSION)
    all_read = False
    async for page in _pages(tools, waiting):
        for line in await _settle_sessions(tools, waiting, page.sessions):
            yield line
        all_read = not page.has_more
        yield ImportProgress(settled=waiting.settled)
    async for line in _singly(tools, waiting):
        yield line
    async for line in _customers(tools, waiting, all_read=all_read):
        yield line
    log.info("billing.purchases.imported", origin=request.origin, claims=waiting.total, dryRun=request.dry_run)


async def _pages(tools: Importer, waiting: Claims) -> AsyncIterator[SessionPage]:
    """Pages of complete sessions, newest first, while that is cheaper than reading each id that is left."""
    after: str | None = None
    count = 0
    while count < len(waiting):
        start = after
        page = await tools.stripe.session_page(start, status="complete")
        count += 1
        yield page
        if not page.has_more or not page.sessions:
            return
        after = page.sessions[-1].id


async def _singly(tools: Importer, waiting: Claims) -> AsyncIterator[Line]:
    """The payments that no page had."""
    left = waiting.left("session", "payment")
    for start in range(0, len(left), SINGLY_AT_ONCE):
        for object_id in left[start : start + SINGLY_AT_ONCE]:
            session = await _session_of(tools, object_id)
            if session is not None and session.body.get("status") == "complete":
                for line in await _settle_sessions(tools, waiting, [session]):
                    yield line
            for user_id in waiting.settle(object_id):
                yield (
                    _refused(user_id, object_id, words.NO_SESSION) if session is None else _nothing(user_id, object_id)
                )
        yield ImportProgress(settled=waiting.settled)


async def _session_of(tools: Importer, object_id: str) -> Read | None:
    try:
        if object_id.startswith("cs_"):
            return await tools.stripe.read_whole_session(object_id)
        async for session in tools.stripe.sessions(payment_intent=object_id):
            return session
    except StripeFailure as failure:
        if not failure.is_missing:
            raise
    return None


async def _settle_sessions(tools: Importer, waiting: Claims, sessions: Sequence[Read]) -> list[Line]:
    """What becomes of every claim on these sessions; Stripe's customers that they prove are stored as well."""
    claimed = [session for session in sessions if any(waiting.on(_ids(session)))]
    if not claimed:
        return []
    recorded = await record_imported(tools.telling, claimed, dict(_claimants(waiting, claimed)), dry_run=tools.dry_run)
    told = await tell_payments(tools.telling, claimed, Via.IMPORT, dry_run=tools.dry_run)
    lines: list[Line] = []
    for session, result in zip(claimed, told, strict=True):
        for user_id, object_id in list(waiting.on(_ids(session))):
            if object_id == reference(session.body, "customer"):
                if recorded.owner(session) == user_id:
                    lines.append(await _known_customer(tools, user_id, object_id))
                    waiting.settle(object_id)
                continue
            lines.append(
                _outcome(user_id, object_id, session, result, recorded.owner(session), recorded.is_new(session))
            )
        for own in (session.id, reference(session.body, "payment_intent")):
            waiting.settle(own or "")
    return lines


def _ids(session: Read) -> tuple[str | None, ...]:
    return session.id, reference(session.body, "payment_intent"), reference(session.body, "customer")


def _claimants(waiting: Claims, sessions: Sequence[Read]) -> list[tuple[str, str]]:
    """For each session the first user who claims it by its own id or its payment's."""
    ids = [(session.id, _ids(session)[:2]) for session in sessions]
    return [(name, user_id) for name, own in reversed(ids) for user_id, _ in [*waiting.on(own)][:1]]


def _outcome(
    user_id: str, object_id: str, session: Read, told: Told, owner: str | None, newly_recorded: bool
) -> ClaimOutcome:
    because = words.why_not(user_id, owner, session.body)
    if because is None and told.result == "refused":
        because = words.in_words(told.because)
    if because:
        return _refused(user_id, object_id, because)
    new = newly_recorded or told.result == "new"
    return ClaimOutcome(user_id=user_id, id=object_id, outcome="new" if new else "known")


async def _customers(tools: Importer, waiting: Claims, *, all_read: bool) -> AsyncIterator[Line]:
    """The customers that no session has proved so far: Stripe is asked about each."""
    for number, customer_id in enumerate(waiting.left("customer"), start=1):
        refusal = await _why_no_customer(tools, waiting, customer_id)
        if refusal is None and not all_read:
            bought = [session async for session in tools.stripe.sessions(customer=customer_id, status="complete")]
            for line in await _settle_sessions(tools, waiting, bought):
                yield line
        for user_id in waiting.settle(customer_id):
            yield (
                _refused(user_id, customer_id, refusal)
                if refusal
                else await _known_customer(tools, user_id, customer_id)
            )
        if number % SINGLY_AT_ONCE == 0:
            yield ImportProgress(settled=waiting.settled)


async def _why_no_customer(tools: Importer, waiting: Claims, customer_id: str) -> str | None:
    try:
        customer = await tools.stripe.read_customer(customer_id)
    except StripeFailure as failure:
        if not failure.is_missing:
            raise
        return words.NO_CUSTOMER
    if is_deleted(customer.body):
        return words.DELETED
    named = named_in(customer.body)
    claimants = [user_id for user_id, _ in waiting.on([customer_id])]
    # Their portal shows invoices and addresses: where two claim a customer, neither gets it by word alone.
    return words.CUSTOMER_OF_ANOTHER if claimants != [named or claimants[0]] else None


async def _known_customer(tools: Importer, user_id: str, customer_id: str) -> ClaimOutcome:
    """Store the customer as the user's, unless there is another, or it is another user's."""
    database = tools.telling.database
    before = await stored_customer(database, user_id)
    owner = await owner_of_customer(database, customer_id)
    if owner not in (None, user_id):
        return _refused(user_id, customer_id, words.CUSTOMER_OF_ANOTHER)
    if before not in (None, customer_id):
        return _refused(user_id, customer_id, words.CUSTOMER_KEPT)
    if before is None and not tools.dry_run:
        await store_customer(database, user_id, customer_id)
    return ClaimOutcome(user_id=user_id, id=customer_id, outcome="known" if before else "new")


def _refused(user_id: str, object_id: str, because: str) -> ClaimOutcome:
    return ClaimOutcome(user_id=user_id, id=object_id, outcome="refused", because=because)


def _nothing(user_id: str, object_id: str) -> ClaimOutcome:
    """A session that nobody completed: there is nothing to tell."""
    return ClaimOutcome(user_id=user_id, id=object_id, outcome="nothing")
