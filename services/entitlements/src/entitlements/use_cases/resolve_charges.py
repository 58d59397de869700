"""For refunds and disputes that name only a charge: ask the checkout service to read that charge at Stripe.

The checkout service publishes what it reads, and that fact tells to which payment the charge belongs. Until then the
charge is kept in the table ``charge_lookups``; the one that has waited longest is asked for first.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pydantic import BaseModel, ConfigDict

from atlas_kit.http.client import ServiceClient
from atlas_kit.http.errors import AtlasError, NotFound, Unavailable
from atlas_kit.process.logs import get_logger
from atlas_kit.storage.database import Connection, Database
from atlas_kit.tracing.work import working

log = get_logger()

LOOK_AGAIN_SECONDS = 60.0
"""Seconds between two checks for charges that are due, when nothing was folded in between."""
ASK_AGAIN_SECONDS = 3_600
"""Seconds until a charge is asked for again whose payment is still unknown after checkout's answer."""
TRY_AGAIN_SECONDS = 60
"""Seconds until a charge is asked for again after checkout could not answer."""
CHARGES_AT_ONCE = 100
"""Charges asked for in one pass."""
FACTS_AT_ONCE = 10_000
"""Facts searched for new charges in one transaction."""

_NOTHING_TIES = """
EXISTS (SELECT 1 FROM payments p WHERE p.id = {payment} AND p.user_id IS NULL) AND NOT EXISTS (
    SELECT 1 FROM payment_refs o WHERE o.payment_id = {payment}
    AND (o.ref LIKE 'stripe:payment_intent:%%' OR o.ref LIKE 'stripe:checkout_session:%%'))
"""
_NEW_FACTS = """
SELECT until, (SELECT max(seq) FROM (SELECT seq FROM payment_facts WHERE seq > until ORDER BY seq LIMIT %s) AS next)
FROM charges_sought FOR UPDATE
"""
_LIST = f"""
INSERT INTO charge_lookups (charge_id, payment_id)
SELECT DISTINCT split_part(r.ref, ':', 3), r.payment_id
FROM payment_facts f JOIN payment_refs r ON r.payment_id = f.payment_id
WHERE f.seq > %s AND f.seq <= %s AND r.ref LIKE 'stripe:charge:%%' AND {_NOTHING_TIES.format(payment="f.payment_id")}
ON CONFLICT (charge_id) DO UPDATE SET payment_id = excluded.payment_id
"""  # noqa: S608 - SQL of our own
_CLAIM = """
UPDATE charge_lookups SET ask_at = now() + %s * interval '1 second' WHERE charge_id = (
    SELECT charge_id FROM charge_lookups WHERE ask_at <= now() ORDER BY ask_at, payment_id LIMIT 1
    FOR UPDATE SKIP LOCKED)
RETURNING charge_id, payment_id
"""
_STILL_UNTIED = f"SELECT {_NOTHING_TIES.format(payment='%(payment)s')}"


async def list_new(connection: Connection) -> bool:
    """Add charges from the next FACTS_AT_ONCE new facts to the table. Returns False when there was no new fact."""
    cursor = await connection.execute(_NEW_FACTS, (FACTS_AT_ONCE,))
    row = await cursor.fetchone()
    assert row
    until, newest = row
    if newest is None:
        return False
    await connection.execute(_LIST.encode(), (until, newest))
    await connection.execute("UPDATE charges_sought SET until = %s", (newest,))
    return True


async def claim(connection: Connection) -> str | None:
    """Claim the due charge that has waited longest and that no other replica is claiming; None when none is due.

    It becomes due again after ASK_AGAIN_SECONDS. Charges whose payment is known by now leave the table.
    """
    while True:
        cursor = await connection.execute(_CLAIM, (ASK_AGAIN_SECONDS,))
        row = await cursor.fetchone()
        if row is None:
            return None
        charge, payment = row
        cursor = await connection.execute(_STILL_UNTIED.encode(), {"payment": payment})
        if await cursor.fetchone() == (True,):
            return str(charge)
        await connection.execute("DELETE FROM charge_lookups WHERE charge_id = %s", (charge,))


async def seek_again(connection: Connection) -> None:
    """Search every fact for charges again: a rebuild may understand facts that were only stored before."""
    await connection.execute("UPDATE charges_sought SET until = 0")


class _Anything(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ChargeResolver:
    """A worker in every replica, woken after each folded batch. Each charge is claimed by one replica."""

    def __init__(self, database: Database, checkout: ServiceClient, folded: asyncio.Condition) -> None:
        self._database, self._checkout, self._folded = database, checkout, folded

    async def run(self) -> None:
        await self._database.migrated.wait()
        while True:
            with suppress(AtlasError):
                await self.resolve_all()
            async with self._folded:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._folded.wait(), LOOK_AGAIN_SECONDS)
            await asyncio.sleep(1)  # at most one pass per second, however much is folded

    async def resolve_all(self) -> None:
        """Ask for up to CHARGES_AT_ONCE due charges, the one that waited longest first. Raises DatabaseUnavailable.

        Stops early when checkout is unavailable.
        """
        more = True
        while more:
            async with self._database.transaction() as connection:
                more = await list_new(connection)
        for _ in range(CHARGES_AT_ONCE):
            async with self._database.transaction() as connection:
                charge = await claim(connection)
            if charge is None or not await self._resolve(charge):
                return

    async def _resolve(self, charge: str) -> bool:
        """Ask checkout to read the charge. Returns False when checkout is unavailable."""
        with working("resolve charge"):
            try:
                await self._checkout.post(f"/internal/charges/{charge}/resolve", "entitlements", _Anything, seconds=15)
            except NotFound:
                log.warning("billing.charge.unknown_at_stripe", chargeId=charge)
            except AtlasError as error:
                log.warning("billing.charge.not_resolved", chargeId=charge, error=type(error).__name__)
                await self._put_back(charge)
                return not isinstance(error, Unavailable)
            else:
                log.info("billing.charge.resolved", chargeId=charge)
        return True

    async def _put_back(self, charge: str) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                "UPDATE charge_lookups SET ask_at = now() + %s * interval '1 second' WHERE charge_id = %s",
                (TRY_AGAIN_SECONDS, charge),
            )
