"""Protections taken out, one at a time, so that it shows whether anybody would notice.

``ATLAS_FAILPOINT_SABOTAGE`` names one; the services themselves stay as they are.
"""

import asyncio


def acknowledge_before_commit(module):
    """The projector tells the broker that it is done before it is."""
    fold_and_ack = module.Projector._fold_and_ack

    async def hasty(self, readable):
        for message, _ in readable:
            await message.ack()
        await self._broker.client.flush()
        for message, _ in readable:
            message._ackd = False  # the second one, later, is for nobody
        await fold_and_ack(self, readable)

    module.Projector._fold_and_ack = hasty


def answer_before_the_brokers_word(module):
    """The door says 200 and publishes later."""
    admit, later = module.Door.admit, set()

    async def hasty(self, event, arrival, *, suspicious=False):
        async def publish():
            await asyncio.sleep(0.3)
            await admit(self, event, arrival, suspicious=suspicious)

        later.add(asyncio.ensure_future(publish()))
        return module.Outcome(module.Admission.ACCEPTED)

    module.Door.admit = hasty


def delete_before_publish(module):
    """The outbox forgets what it is about to announce."""

    async def hasty(self, connection):
        self.hand.reads()  # and nothing is ever handed over
        cursor = await connection.execute("DELETE FROM outbox RETURNING id, message_id, subject, payload, request_id")
        if rows := [module.OutboxRow(*row) for row in await cursor.fetchall()]:
            await self._publish(rows)

    module.OutboxRelay._publish_batch = hasty


SABOTAGES = {
    "acknowledge before commit": ("entitlements.entrypoints.projector", acknowledge_before_commit),
    "answer before the broker's word": ("webhook_ingest.use_cases.admit", answer_before_the_brokers_word),
    "delete before publish": ("atlas_kit.messaging.outbox", delete_before_publish),
}
