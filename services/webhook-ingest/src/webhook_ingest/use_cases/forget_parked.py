"""Takes a forgotten user's parked events out of every list and redrive.

Nobody may delete a message of PARKED. So each event that mentions the user gets a marker on the same stream, which
every replica reads and which a restart doesn't lose. The marker names the parked event and nobody; it is stored later
than the event, and so ends later.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

from atlas_contracts.internal_api import INGEST_SERVICE, ForgottenParked
from atlas_contracts.parked import ForgottenData, ForgottenEvent
from atlas_contracts.streams import cloudevent_type
from atlas_kit.messaging.events import encode
from atlas_kit.process import context
from atlas_kit.process.logs import get_logger
from webhook_ingest.adapters.parked_reader import FORGOTTEN_SUBJECT, Parked, ParkedReader
from webhook_ingest.domain.parked_user import mentions
from webhook_ingest.ports import Publisher

log = get_logger()

AT_ONCE = 64
"""Markers published at the same time, so that the broker writes many of them with one sync."""


async def forget_parked(reader: ParkedReader, stream: Publisher, user_id: str) -> ForgottenParked:
    """Hide every parked event that mentions the user. Raises BrokerUnavailable; repeating it hides what is left."""
    mine = [parked for parked in await reader.everything() if _is_about(parked, user_id)]
    shown = [parked for parked in mine if not parked.forgotten]
    for first in range(0, len(shown), AT_ONCE):
        await asyncio.gather(*(_mark(parked, stream) for parked in shown[first : first + AT_ONCE]))
    log.info("billing.parked.forgotten", events=len(shown))
    newest = max((at for parked in mine for at in (parked.stored, parked.noted) if at), default=None)
    return ForgottenParked(parked=len(shown), newest=newest)


def _is_about(parked: Parked, user_id: str) -> bool:
    """Whether the event names the user, or the words with which an operator dismissed it do."""
    words = parked.dismissed.reason if parked.dismissed else ""
    return mentions(parked.data, user_id) or re.search(rf"(?<!\w){re.escape(user_id)}(?!\w)", words) is not None


async def _mark(parked: Parked, stream: Publisher) -> None:
    parked_id, digest = parked.mark
    now = datetime.now(UTC)
    marker = ForgottenEvent(
        # The same for everybody who forgets this user at once: the broker stores one.
        id=f"forgotten:{digest}:{parked_id}"[:255],
        source=f"/atlas/{INGEST_SERVICE}",
        type=cloudevent_type(FORGOTTEN_SUBJECT),
        subject=parked_id,
        time=now,
        dataschema="parked/v1",
        requestid=context.current_request_id(),
        data=ForgottenData(id=parked_id, event_digest=digest, at=now),
    )
    await stream.publish(FORGOTTEN_SUBJECT, encode(marker), marker.id)
