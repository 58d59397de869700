"""Inserting into the outbox by a transaction that hands its rows to the relay of its own process after the commit.

Only for outboxes whose writers exclude each other until they have committed, so that later rows have greater ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atlas_kit.messaging.handed_over import HandedOver, OutboxRow
from atlas_kit.messaging.outbox import ENQUEUE, OutboxMessage
from atlas_kit.storage.together import Question

ENQUEUE_TO_HAND_OVER = f"""
enqueued AS ({ENQUEUE} RETURNING id, message_id)
SELECT id, message_id, EXISTS (SELECT 1 FROM outbox WHERE id > %(known)s::bigint),
       CASE WHEN %(known)s::bigint IS NULL THEN pg_notify('outbox', '') END
FROM enqueued ORDER BY id
"""  # noqa: S608 - SQL of our own
"""The end of a statement that begins with WITH: inserts, and tells :class:`Enqueued` what the relay needs. ``known`` is
:attr:`HandedOver.known`. Where that is None, and so nothing can be handed over, the relays are woken."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What a transaction has inserted by :data:`ENQUEUE_TO_HAND_OVER`; ask when it is committed."""

    asked: Question
    messages: Sequence[OutboxMessage]
    known: int | None

    def hand_to(self, hand: HandedOver) -> None:
        """Give the relay of this process its rows, or tell it to read."""
        messages = {message.message_id: message for message in self.messages}
        rows, others_wrote = [], self.known is None
        for row_id, message_id, older, _ in self.asked.rows:
            message = messages[message_id]
            rows.append(OutboxRow(row_id, message_id, message.subject, message.payload, message.request_id))
            others_wrote = others_wrote or older
        if rows:
            hand.add(rows, others_wrote=others_wrote)
