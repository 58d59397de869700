"""What an event id said first, asked only when it is told again.

The newest events of this process are in memory. What else the broker calls a duplicate, the ledger is asked about: it
keeps the first for good. While it doesn't answer, duplicates are taken for honest ones, as nearly all are, and counted.
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
from atlas_kit.errors import AtlasError
from atlas_kit.http_client import ServiceClient
from atlas_kit.logs import get_logger
from webhook_ingest.metrics import UNCOMPARED

log = get_logger()

IN_MEMORY = 4_096
"""Events of some 1.5 kB each."""
ASK_SECONDS = 2.0
PAUSE_SECONDS = 5.0
"""After no answer: Stripe's redeliveries must not each wait for a service that is away."""

Ledger = Callable[[dict[str, Any]], Awaitable[ToldAgainResult]]


def ledger_of(entitlements: ServiceClient) -> Ledger:
    """Asks the entitlements service's ledger. What is asked raises AtlasError where no answer comes."""

    async def ask(data: dict[str, Any]) -> ToldAgainResult:
        asked = ToldAgain(data=data)
        return await entitlements.post(
            "/internal/told-again", INGEST_SERVICE, ToldAgainResult, asked, seconds=ASK_SECONDS
        )

    return ask


class ToldBefore:
    """Remembers events by the provider's event id, and compares those that come again."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = ledger
        self._recent: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        """The message id under which each was published, and what was."""
        self._not_before = 0.0

    def remember(self, event: BillingEvent, payload: bytes) -> None:
        """``payload`` is what this event id said first."""
        self._recent[event.data.provider_event_id] = (event.id, payload)
        if len(self._recent) > IN_MEMORY:
            self._recent.popitem(last=False)

    def was_of_another_type(self, event: BillingEvent) -> bool:
        """Whether this event id is known to have been of another type: to the broker that is another message."""
        first = self._recent.get(event.data.provider_event_id)
        return first is not None and first[0] != event.id

    async def contradiction(self, event: BillingEvent, payload: bytes) -> str | None:
        """The name of a fact in which a known event contradicts the first of its id; None when none is known to."""
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
