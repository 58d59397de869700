"""Reads the stream PARKED: events that wait for an operator.

Nothing is deleted there. A redrive adds a marker, and so do an operator who dismisses an event (it leaves the list, and
is shown with who and why) and forgetting the user whom an event is about (it is shown to nobody any more). All of it
ends with the stream's retention, a marker after what it marks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, replace
from datetime import datetime

import nats.errors
from nats.aio.msg import Msg
from pydantic import ValidationError

from atlas_contracts.parked import (
    DismissedData,
    DismissedEvent,
    ForgottenEvent,
    ParkedData,
    ParkedEvent,
    RedrivenData,
    RedrivenEvent,
)
from atlas_contracts.streams import PARKED, parked_subject
from atlas_kit.http.errors import NotFound
from atlas_kit.messaging.broker import Broker, BrokerUnavailable
from atlas_kit.process.logs import get_logger

log = get_logger()

REDRIVEN_SUBJECT, FORGOTTEN_SUBJECT = parked_subject("redriven"), parked_subject("forgotten")
DISMISSED_SUBJECT = parked_subject("dismissed")
BATCH = 256
READ_SECONDS = 5.0
Mark = tuple[str, str]
"""A parked id, and a digest of the event's own id. The id alone would not do: where a stream was made anew, another
event gets it.
"""
_END_OF_BATCH, _NOTHING = "204", "404"


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked event, the markers of its redrives since, when it was stored, and whether its user is forgotten.

    ``dismissed``: who took it off the list, and why; ``noted``: when that was stored.
    """

    data: ParkedData
    redriven: list[RedrivenData]
    stored: datetime | None = None
    forgotten: bool = False
    dismissed: DismissedData | None = None
    noted: datetime | None = None

    @property
    def mark(self) -> Mark:
        """What a marker of a dismissed event, or of one of a forgotten user, names."""
        return self.data.id, hashlib.sha256(self.data.event_id.encode()).hexdigest()


class ParkedReader:
    """Reads PARKED by the broker's direct get, which needs no consumer and no right to change anything."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def waiting(self, *, dismissed: bool = False) -> list[Parked]:
        """Parked and not yet redriven, oldest first: those that wait, or those that an operator dismissed.

        Raises BrokerUnavailable.
        """
        shown = [parked for parked in await self.everything() if not parked.redriven and not parked.forgotten]
        return [parked for parked in shown if (parked.dismissed is not None) is dismissed]

    async def get(self, parked_id: str) -> Parked:
        """The parked event with this id. Raises NotFound or BrokerUnavailable."""
        for parked in await self.everything():
            if parked.data.id == parked_id and not parked.forgotten:
                return parked
        raise NotFound("There is no parked event with this id.")

    async def everything(self) -> list[Parked]:
        """All parked events, oldest first, those of forgotten users too. An event that was parked again after a redrive
        is waiting again; after it was dismissed it stays off the list, and after its user was forgotten hidden.

        Raises BrokerUnavailable.
        """
        found: dict[str, Parked] = {}
        forgotten: set[Mark] = set()
        dismissed: dict[Mark, tuple[DismissedData, datetime]] = {}
        async for subject, stored, body in self._messages():
            try:
                if subject == REDRIVEN_SUBJECT:
                    marker = RedrivenEvent.model_validate_json(body).data
                    if marker.id in found:
                        found[marker.id].redriven.append(marker)
                        dismissed.pop(found[marker.id].mark, None)  # somebody gave it another try after all
                elif subject == FORGOTTEN_SUBJECT:
                    mark = ForgottenEvent.model_validate_json(body).data
                    forgotten.add((mark.id, mark.event_digest))
                elif subject == DISMISSED_SUBJECT:
                    note = DismissedEvent.model_validate_json(body).data
                    dismissed[note.id, note.event_digest] = note, stored
                else:
                    data = ParkedEvent.model_validate_json(body).data
                    found.pop(data.id, None)
                    found[data.id] = Parked(data, [], stored)
            except ValidationError:
                log.warning("parked.unreadable", subject=subject)
        return [_marked(parked, forgotten, dismissed) for parked in found.values()]

    async def _messages(self) -> AsyncIterator[tuple[str, datetime, bytes]]:
        """Subject, time and body of every message of PARKED in order, by batched direct gets (ADR-31 of NATS)."""
        client = self._broker.client
        sequence = 1
        while True:
            inbox = client.new_inbox()
            subscription = await client.subscribe(inbox)
            try:
                request = {"seq": sequence, "batch": BATCH, "next_by_subj": PARKED.subjects[0]}
                await client.publish(f"$JS.API.DIRECT.GET.{PARKED.name}", json.dumps(request).encode(), reply=inbox)
                received = 0
                while (message := await _next(subscription.next_msg(timeout=READ_SECONDS))) is not None:
                    headers = message.headers or {}
                    sequence = int(headers["Nats-Sequence"]) + 1
                    received += 1
                    yield headers["Nats-Subject"], datetime.fromisoformat(headers["Nats-Time-Stamp"]), message.data
            except (nats.errors.Error, TimeoutError, OSError) as error:
                raise BrokerUnavailable from error
            finally:
                with contextlib.suppress(nats.errors.Error, OSError):
                    await subscription.unsubscribe()
            if received < BATCH:
                return


def _marked(parked: Parked, forgotten: set[Mark], dismissed: dict[Mark, tuple[DismissedData, datetime]]) -> Parked:
    note, noted = dismissed.get(parked.mark, (None, None))
    return replace(parked, forgotten=parked.mark in forgotten, dismissed=note, noted=noted)


async def _next(message: Awaitable[Msg]) -> Msg | None:
    """The next message of a batch; None at its end. Raises BrokerUnavailable for any other status of the broker."""
    received = await message
    status = (received.headers or {}).get("Status")
    if status is None:
        return received
    if status in (_END_OF_BATCH, _NOTHING):
        return None
    raise BrokerUnavailable
