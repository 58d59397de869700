"""Refunds and disputes that name a charge and nothing else: ask checkout, once each, to read the charge at Stripe.

What it finds comes back as a fact through the broker like any other and ties the charge to its payment.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pydantic import BaseModel, ConfigDict

from atlas_kit.database import Database
from atlas_kit.errors import AtlasError, NotFound
from atlas_kit.http_client import ServiceClient
from atlas_kit.logs import get_logger

log = get_logger()

LOOK_AGAIN_SECONDS = 60.0
ASK_AGAIN_SECONDS = 3_600.0
"""A charge that Stripe couldn't tie (or checkout couldn't read) is asked for again after an hour."""
CHARGES_AT_ONCE = 100

_UNRESOLVED = """
SELECT split_part(r.ref, ':', 3) FROM payments p JOIN payment_refs r ON r.payment_id = p.id
WHERE p.user_id IS NULL AND r.ref LIKE 'stripe:charge:%%' AND NOT EXISTS (
    SELECT 1 FROM payment_refs o WHERE o.payment_id = p.id
    AND (o.ref LIKE 'stripe:payment_intent:%%' OR o.ref LIKE 'stripe:checkout_session:%%'))
ORDER BY p.id DESC LIMIT %s
"""


class _Anything(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ChargeResolver:
    """Background loop; woken whenever something was folded. Asking twice is harmless, so replicas need no lease."""

    def __init__(self, database: Database, checkout: ServiceClient, folded: asyncio.Condition) -> None:
        self._database, self._checkout, self._folded = database, checkout, folded
        self._asked: dict[str, float] = {}

    async def run(self) -> None:
        await self._database.migrated.wait()
        while True:
            with suppress(AtlasError):
                await self.resolve_all()
            async with self._folded:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._folded.wait(), LOOK_AGAIN_SECONDS)
            await asyncio.sleep(1)  # at most one look a second, however much is folded

    async def resolve_all(self) -> None:
        """Ask for every charge that nothing ties to a payment and that wasn't asked for lately."""
        async with self._database.transaction() as connection:
            cursor = await connection.execute(_UNRESOLVED, (CHARGES_AT_ONCE,))
            charges = [str(row[0]) async for row in cursor]
        now = asyncio.get_running_loop().time()
        self._asked = {charge: at for charge, at in self._asked.items() if at > now - ASK_AGAIN_SECONDS}
        for charge in charges:
            if charge not in self._asked:
                self._asked[charge] = now
                await self._resolve(charge)

    async def _resolve(self, charge: str) -> None:
        try:
            await self._checkout.post(f"/internal/charges/{charge}/resolve", "entitlements", _Anything, seconds=15)
        except NotFound:
            log.warning("billing.charge.unknown_at_stripe", chargeId=charge)
        except AtlasError as error:
            self._asked.pop(charge, None)
            log.warning("billing.charge.not_resolved", chargeId=charge, error=type(error).__name__)
        else:
            log.info("billing.charge.resolved", chargeId=charge)
