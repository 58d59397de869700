"""Forget a user everywhere: their id in Stripe's metadata, their rows here, their name in the ledger, parked events.

The records of the money stay, at Stripe and in the ledger. In this order, because a user id left in the metadata would
come back with the next pull, sweep or audit. What fails in the middle is finished by a repetition: each part finds what
is left of it. An object that Stripe no longer has is reported as gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from atlas_contracts.internal_api import ForgetResult, ForgottenParked, ForgottenPlace
from atlas_contracts.model import iso_utc
from atlas_contracts.public_api import Recovery
from atlas_contracts.streams import BILLING, ENTITLEMENTS, PARKED, STATE_BUCKET, StreamSpec
from atlas_kit.http.errors import InvalidRequest
from atlas_kit.process.logs import get_logger
from atlas_kit.storage.database import Database
from atlas_stripe.failure import StripeFailure
from atlas_stripe.objects import Read, could_be_id
from checkout.adapters import attempts
from checkout.adapters.customers import stored_customer
from checkout.domain.payment_outcome import PaymentOutcome, charge_of, outcome_of
from checkout.ports import EraseCalls, LedgerErasure, ParkedErasure, StreamAges
from checkout.use_cases.owner_of_session import sessions_of

log = get_logger()

ERASED = "user id erased"
GONE = "gone already: Stripe knows it no more"
AT_STRIPE = (
    "keeps its own records of customers, payments, refunds and disputes, and for 30 days the events and the requests in"
    " which the id stood; what else it keeps can be deleted only there"
)
ENTRY_REMOVED = "no entry of the user; where one was, a marker without a value stays under the hash of the id"
ENTRY_LATER = "the user's entry goes as soon as the broker answers; whoever forgets the user again sees whether it has"
FOR_EVER = "for ever, because the stream has no retention yet: ./atlas doctor --fix gives it one"


class PaymentUnderWay(InvalidRequest):
    """A delayed payment of the user may still succeed. After forgetting, its owner could no longer be found."""

    status: ClassVar[int] = 409
    default_recovery = Recovery.NONE

    def __init__(self, session_ids: Iterable[str]) -> None:
        super().__init__(
            f"A payment of this user is being processed ({', '.join(session_ids)}): when its money comes, nobody would"
            " have paid it. Bank payments settle within 14 days: wait until this one has, or forget --even-if-paying"
            " (over HTTP: ?even_if_paying=true)."
        )


@dataclass(slots=True)
class Found:
    """The customers and sessions of a user at Stripe."""

    customers: list[str]
    sessions: dict[str, Read] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    """Recorded sessions that Stripe doesn't know."""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Where users are forgotten: our own rows, Stripe, and the services that have ledger and parked events.

    The streams' ages say when the last copy on the broker ends.
    """

    database: Database
    stripe: EraseCalls
    ledger: LedgerErasure
    parked: ParkedErasure
    ages: StreamAges


async def forget_user(forgetting: Forgetting, user_id: str, *, even_if_paying: bool = False) -> ForgetResult:
    """What was done in each place. Raises PaymentUnderWay, StripeFailure, Unavailable."""
    result = await _forget_here(forgetting, user_id, even_if_paying=even_if_paying)
    told = await forgetting.ledger.forget(user_id)
    facts = told.facts
    parked = await forgetting.parked.forget(user_id)
    result.places.append(ForgottenPlace(place="ledger and projection", done=f"facts kept without a name: {facts}"))
    result.places.extend(await _on_broker(forgetting.ages, parked))
    entry = ENTRY_REMOVED if told.entry_removed else ENTRY_LATER
    result.places.append(ForgottenPlace(place=f"broker: {STATE_BUCKET}", done=entry))
    result.places.append(ForgottenPlace(place="Stripe", done=AT_STRIPE))
    log.info("billing.user.forgotten", sessions=result.sessions, facts=facts, parked=parked.parked)
    return result.model_copy(update={"facts": facts, "known": result.known or facts > 0 or parked.parked > 0})


async def _on_broker(ages: StreamAges, parked: ForgottenParked) -> list[ForgottenPlace]:
    """What the streams still hold, and until when.

    Nobody may delete a message, and of BILLING and ENTITLEMENTS nobody can ask for a user's newest one. So the last
    copy there ends, at the latest, when a message stored now would.
    """
    places = [
        await _stream(ages, stream, "past events keep the id", datetime.now(UTC)) for stream in (BILLING, ENTITLEMENTS)
    ]
    if parked.newest is None:
        return [*places, ForgottenPlace(place=f"broker: {PARKED.name}", done="no parked event mentions the user")]
    hidden = f"the user's parked events are out of every list and redrive (now: {parked.parked}); their bytes stay"
    return [*places, await _stream(ages, PARKED, hidden, parked.newest)]


async def _stream(ages: StreamAges, stream: StreamSpec, what: str, newest: datetime) -> ForgottenPlace:
    age: timedelta | None = await ages.keeps_for(stream)
    until = newest + age if age else None
    when = f"until {iso_utc(until)} at the latest" if until else FOR_EVER
    return ForgottenPlace(place=f"broker: {stream.name}", done=f"{what} {when}", until=until)


async def _forget_here(forgetting: Forgetting, user_id: str, *, even_if_paying: bool) -> ForgetResult:
    """At Stripe and in our own database."""
    database, stripe = forgetting.database, forgetting.stripe
    found = await _find(database, stripe, user_id, await forgetting.ledger.sessions(user_id))
    _refuse_while_paying(found.sessions.values(), even_if_paying=even_if_paying)
    await _close_open(stripe, found)
    _refuse_while_paying(found.sessions.values(), even_if_paying=even_if_paying)  # paid while it was being closed
    mine = await sessions_of(database, user_id, found.sessions.values())
    places = [ForgottenPlace(place=f"checkout session {session_id}", done=GONE) for session_id in found.gone]
    for session in mine:
        places += await _erase_session(stripe, session)
    for customer_id in found.customers:
        places.append(await _erase(stripe, "customer", customer_id))
    rows = await attempts.erase(database, user_id)
    places.append(ForgottenPlace(place="database of checkout", done=f"rows deleted: {rows}"))
    known = len(places) > 1 or rows > 0
    return ForgetResult(known=known, sessions=len(mine), facts=0, places=places)


async def _find(database: Database, stripe: EraseCalls, user_id: str, in_ledger: Iterable[str]) -> Found:
    """By customers, by our own record, and by the ledger, which alone knows sessions that were read by a backfill."""
    stored = await stored_customer(database, user_id)
    found = Found(list(dict.fromkeys([*([stored] if stored else []), *await stripe.search_customers(user_id)])))
    listed: dict[str, Read] = {}
    for customer_id in found.customers:
        await _list(stripe, customer_id, listed)
    for session_id in dict.fromkeys([*await attempts.all_sessions(database, user_id), *in_ledger]):
        if session_id in listed:
            continue
        read = await _read(stripe, session_id)
        if read is None:
            found.gone.append(session_id)
        else:
            listed[session_id] = read
    found.sessions = {session.id: session for session in await sessions_of(database, user_id, listed.values())}
    return found


async def _list(stripe: EraseCalls, customer_id: str, listed: dict[str, Read]) -> None:
    try:
        async for session in stripe.sessions(customer=customer_id):
            listed[session.id] = session
    except StripeFailure as failure:
        if not failure.is_missing:  # a customer that was deleted has nothing to list
            raise


async def _read(stripe: EraseCalls, session_id: str) -> Read | None:
    if not could_be_id(session_id):
        return None
    try:
        return await stripe.read_session(session_id)
    except StripeFailure as failure:
        if not failure.is_missing:
            raise
    return None


def _refuse_while_paying(sessions: Iterable[Read], *, even_if_paying: bool) -> None:
    paying = [session.id for session in sessions if outcome_of(session.body) is PaymentOutcome.PENDING]
    if paying and not even_if_paying:
        raise PaymentUnderWay(paying)


async def _close_open(stripe: EraseCalls, found: Found) -> None:
    """Close open sessions, so that they can't be paid later. One that can't be closed may be paid: it is read again.

    The user id leaves each before it is closed: Stripe's event about the end would bring it back.
    """
    for session in [each for each in found.sessions.values() if each.body.get("status") == "open"]:
        await stripe.erase_user(session.id)
        try:
            await stripe.expire_session(session.id)
        except StripeFailure as failure:
            if failure.status not in (400, 404):
                raise
            found.sessions[session.id] = await _read(stripe, session.id) or session


async def _erase_session(stripe: EraseCalls, session: Read) -> list[ForgottenPlace]:
    """Charge and payment come before the session, because a repetition finds them only through the session."""
    intent, charge = session.body.get("payment_intent"), charge_of(session.body)
    named = (
        ("charge", charge and charge["id"]),
        ("payment", intent and intent["id"]),
        ("checkout session", session.id),
    )
    return [await _erase(stripe, kind, object_id) for kind, object_id in named if object_id]


async def _erase(stripe: EraseCalls, kind: str, object_id: str) -> ForgottenPlace:
    done = ERASED if await stripe.erase_user(object_id) else GONE
    return ForgottenPlace(place=f"{kind} {object_id} at Stripe", done=done)
