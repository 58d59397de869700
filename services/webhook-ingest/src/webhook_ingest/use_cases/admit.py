"""Handles an event that is known to come from Stripe, by webhook or by pull: filter, normalize, publish or park."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from atlas_contracts.billing import BillingEvent
from atlas_contracts.contradiction import CHANGED_CONTENT
from atlas_contracts.internal_api import INGEST_SERVICE
from atlas_contracts.streams import billing_subject, parked_subject
from atlas_kit.messaging.events import billing_event, encode, event_type_of
from atlas_kit.process.logs import get_logger
from atlas_kit.tracing.messages import publishing
from atlas_kit.tracing.spans import recorder
from atlas_stripe.arrival import Arrival
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES, from_event
from atlas_stripe.objects import Unmappable
from webhook_ingest.adapters.parked_stripe_event import parked_stripe_event
from webhook_ingest.adapters.told_before import ToldBefore
from webhook_ingest.ports import Publisher

log = get_logger()

SUPPORTED = frozenset(SUPPORTED_EVENT_TYPES)
MAX_EVENT_ID = 200
"""Characters. The canonical event id, which adds a prefix and a type to it, may have at most 255."""
_ID = re.compile(rf"[\x21-\x7e]{{1,{MAX_EVENT_ID}}}")

_UNPRINTABLE = Unmappable("unprintable_text", "The event contains the character U+0000, which Stripe never sends.")


class Admission(StrEnum):
    """What became of an event."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event.

    ``event_id`` is the canonical id, None for an id that is malformed; ``reason`` is a stable word for why the event
    was ignored or parked, else None. ``parked``: this call parked the event (false if it was parked before).
    """

    admission: Admission
    event_id: str | None = None
    reason: str | None = None
    parked: bool = False


async def _unknown() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Door:
    """The one way in for every event: decides which events are ours, and publishes or parks them."""

    livemode: bool
    """Whether real money moves; events of the other mode are ignored."""
    billing: Publisher
    """Publishes on BILLING."""
    parked: Publisher
    """Publishes on PARKED."""
    account: Callable[[], Awaitable[str | None]] = _unknown
    """The id of our account at Stripe; None while it isn't known."""
    told_before: ToldBefore = field(default_factory=ToldBefore)

    async def admit(self, event: Mapping[str, Any], arrival: Arrival, *, suspicious: bool = False) -> Outcome:
        """Publish the event's canonical form, or park an event that can't be mapped; returns once the broker has it.

        ``event`` has the outline of a Stripe event (``atlas_stripe.envelope.is_event``). With ``suspicious`` it is
        parked unread. Raises BrokerUnavailable: it may be stored, and admitting it again is safe.
        """
        ignored = await self.reason_to_ignore(event)
        if ignored:
            return Outcome(Admission.IGNORED, f"stripe:{event['id']}" if _is_id(event["id"]) else None, ignored)
        if recorder() is None:
            return await self._take_in(event, arrival, suspicious=suspicious)
        with publishing():
            return await self._take_in(event, arrival, suspicious=suspicious)

    async def _take_in(self, event: Mapping[str, Any], arrival: Arrival, *, suspicious: bool) -> Outcome:
        if suspicious:
            return await self._park(event, _UNPRINTABLE, arrival)
        try:
            normalized = normalize(event, arrival)
        except Unmappable as senseless:
            return await self._park(event, senseless, arrival)
        changed: str | None = "its type"
        if not self.told_before.was_of_another_type(normalized):
            payload = encode(normalized)
            stored = await self.billing.publish(billing_subject(event_type_of(normalized.id)), payload, normalized.id)
            if not stored.duplicate:
                self.told_before.remember(normalized, payload)
                return Outcome(Admission.ACCEPTED, normalized.id)
            changed = await self.told_before.contradiction(normalized, payload)
        if changed is None:
            return Outcome(Admission.DUPLICATE, normalized.id)
        detail = f"{changed} differs from the first event with this id. The first one counts."
        reason = Unmappable(CHANGED_CONTENT, detail)
        return replace(await self._park(event, reason, arrival, again=True), admission=Admission.DUPLICATE)

    async def reason_to_ignore(self, event: Mapping[str, Any]) -> str | None:
        """A stable word for why the event is ignored, or None if it is ours.

        An event without ``livemode`` passes, because the secret that signed it belongs to one mode only.
        """
        if event["type"] not in SUPPORTED:
            return "unsupported_type"
        # The object states a mode too: an object of the other mode must not grant, whatever its event says.
        modes = event.get("livemode"), event["data"]["object"].get("livemode")
        if any(mode is (not self.livemode) for mode in modes):
            return "other_mode"
        named = [event[name] for name in ("account", "context") if event.get(name) is not None]
        if named:
            ours = await self.account()
            if any(account != ours for account in named):
                return "other_account"
        return None

    async def _park(
        self, event: Mapping[str, Any], reason: Unmappable, arrival: Arrival, *, again: bool = False
    ) -> Outcome:
        parked = parked_stripe_event(event, reason, arrival.received_at, again=again)
        stored = await self.parked.publish(parked_subject(reason.reason), encode(parked), parked.id)
        admission = Admission.DUPLICATE if stored.duplicate else Admission.ACCEPTED
        return Outcome(admission, parked.data.event_id, reason.reason, parked=not stored.duplicate)


def _is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def normalize(event: Mapping[str, Any], arrival: Arrival) -> BillingEvent:
    """The canonical event. Raises Unmappable when the Stripe event makes no sense for its type."""
    if not _is_id(event["id"]):
        raise Unmappable("malformed_object", f"id must be 1 to {MAX_EVENT_ID} visible ASCII characters.")
    if not isinstance(event.get("livemode", False), bool):
        raise Unmappable("malformed_object", "livemode must be true or false.")
    try:
        return billing_event(from_event(event, arrival), INGEST_SERVICE)
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        # An object that the mapping did not expect. The event is parked, where an operator sees it, and Stripe gets
        # 200: after an error Stripe would send it again for three days.
        log.warning("billing.event.unforeseen", error=type(error).__name__)
        raise Unmappable(
            "unforeseen", "The event could not be read, for a reason that the code did not expect."
        ) from error
