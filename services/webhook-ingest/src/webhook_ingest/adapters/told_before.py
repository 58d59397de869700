"""Compares an event that comes again with the first one of the same id.

The newest events of this process are kept in memory. For other duplicates the entitlements service is asked, whose
ledger keeps every first event. While it doesn't answer, duplicates are taken to be unchanged, as nearly all are, and
counted as not compared.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from atlas_contracts.billing import BillingEvent
from atlas_contracts.contradiction import contradiction
from atlas_contracts.internal_api import INGEST_SERVICE, ToldAgain, ToldAgainResult
from atlas_kit.http.client import ServiceClient
from atlas_kit.http.errors import AtlasError
from atlas_kit.process.logs import get_logger
from webhook_ingest.adapters.metrics import UNCOMPARED

log = get_logger()

IN_MEMORY = 4_096
"""How many events are kept, of some 1.5 kB each."""
ASK_SECONDS = 2.0
"""Time limit of a question to the ledger."""
PAUSE_SECONDS = 5.0
"""How long the ledger isn't asked after it gave no answer, so that redeliveries don't each wait for it."""

Ledger = Callable[[dict[str, Any]], Awaitable[ToldAgainResult]]


def ledger_of(entitlements: ServiceClient) -> Ledger:
    """A function that asks the entitlements service to compare an event with its ledger. It raises AtlasError."""

    async def ask(data: dict[str, Any]) -> ToldAgainResult:
        asked = ToldAgain(data=data)
        return await entitlements.post(
            "/internal/told-again", INGEST_SERVICE, ToldAgainResult, asked, seconds=ASK_SECONDS
        )

    return ask


class ToldBefore:
    """Remembers published events by the provider's event id, and compares later ones of the same id with them."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = ledger
        self._recent: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        """By the provider's event id: the message id under which the event was published, and the event's JSON."""
        self._not_before = 0.0

    def remember(self, event: BillingEvent, payload: bytes) -> None:
        """Keep ``payload`` as the first content of this event id."""
        self._recent[event.data.provider_event_id] = (event.id, payload)
        if len(self._recent) > IN_MEMORY:
            self._recent.popitem(last=False)

    def was_of_another_type(self, event: BillingEvent) -> bool:
        """Whether this event id came before with another type. The broker can't tell: the message id is another."""
        first = self._recent.get(event.data.provider_event_id)
        return first is not None and first[0] != event.id

    async def contradiction(self, event: BillingEvent, payload: bytes) -> str | None:
        """The name of a fact in which the event contradicts the first of its id; None if there is none, or if the
        ledger gave no answer.
        """
        again = json.loads(payload)["data"]
        first = self._recent.get(event.data.provider_event_id)
        if first is not None:
            return contradiction(json.loads(first[1])["data"], again)
        answer = await self._asked(again)
        if answer is None or not answer.known:
            UNCOMPARED.inc()
            return None
        if answer.contradiction is None:
            self.remember(event, payload)
        return answer.contradiction

    async def _asked(self, data: dict[str, Any]) -> ToldAgainResult | None:
        if self._ledger is None or time.monotonic() < self._not_before:
            return None
        try:
            return await self._ledger(data)
        except AtlasError as error:
            self._not_before = time.monotonic() + PAUSE_SECONDS
            log.warning("billing.duplicate.not_compared", error=type(error).__name__)
            return None
