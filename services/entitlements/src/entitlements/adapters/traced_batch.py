"""The spans of a batch that is folded: one of the batch, and one of each fact in the trace that it came with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

from nats.aio.msg import Msg

from atlas_contracts.streams import BILLING, PROJECTOR_DURABLE
from atlas_kit.process.logs import logged_user
from atlas_kit.tracing import spans
from atlas_kit.tracing.messages import Processed, processing
from entitlements.adapters.ledger_entry import LedgerEntry

Readable = list[tuple[Msg, LedgerEntry]]


def traced(readable: Readable) -> AbstractContextManager[Readable]:
    """The batch while it is folded. Where spans are recorded, each entry has the ids of its own span."""
    return nullcontext(readable) if spans.recorder() is None else _traced(readable)


@contextmanager
def _traced(readable: Readable) -> Iterator[Readable]:
    with processing(BILLING.name, PROJECTOR_DURABLE, [_told(*one) for one in readable]) as processed:
        yield [(message, replace(entry, ids=ids)) for (message, entry), ids in zip(readable, processed, strict=True)]


def _told(message: Msg, entry: LedgerEntry) -> Processed:
    assert entry.ids, "an entry that came off the wire has ids"
    user = entry.data.user_id
    return Processed(message.subject, entry.ids, entry.data.event_id, logged_user(user) if user else None)
