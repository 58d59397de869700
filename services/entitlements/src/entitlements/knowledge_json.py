"""Knowledge about a payment as JSON: ``[kind, fields, first at, first id, last at, last id]`` per snapshot."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from entitlements.domain.facts import (
    Adjustment,
    Charge,
    CheckoutSession,
    Dispute,
    Knowledge,
    RecordedSession,
    Refund,
    Snapshot,
    Span,
    Stamp,
    add_to,
)

_KINDS: dict[str, type[Any]] = {
    "checkoutSession": CheckoutSession,
    "recordedSession": RecordedSession,
    "charge": Charge,
    "refund": Refund,
    "dispute": Dispute,
    "adjustment": Adjustment,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in _KINDS.values()}
_VALUES = {kind: attrgetter(*names) for kind, names in _FIELDS.items()}
_MOMENTS = frozenset({"completed_at", "paid_at", "failed_at"})


def encode_knowledge(knowledge: Knowledge) -> str:
    """The same knowledge always gives the same text."""
    return json.dumps(knowledge_rows(knowledge), separators=(",", ":"), sort_keys=True)


def knowledge_rows(knowledge: Knowledge) -> list[list[Any]]:
    """The same knowledge always gives the same rows, in the order of time."""
    rows = [_encode(snapshot, span) for snapshot, span in knowledge.items()]
    return sorted(rows, key=lambda row: (row[2], row[3], row[0]))


def decode_knowledge(rows: list[list[Any]]) -> dict[Snapshot, Span]:
    """What this code understands of it.

    What a newer replica wrote beside that is left out; a newer replica takes it from the ledger again (decision 0010).
    """
    knowledge: dict[Snapshot, Span] = {}
    for row in rows:
        if row[0] in _KINDS:
            snapshot, span = _decode(row)
            add_to(knowledge, {snapshot: span})
    return knowledge


def _encode(snapshot: Snapshot, span: Span) -> list[Any]:
    kind = type(snapshot)
    told = {
        name: value.isoformat() if name in _MOMENTS else value
        for name, value in zip(_FIELDS[kind], _VALUES[kind](snapshot), strict=True)
        if value is not None
    }
    first, last = span.first, span.last
    first_at = first.at.isoformat()
    last_at = first_at if last is first else last.at.isoformat()
    return [_NAMES[kind], told, first_at, first.event_id, last_at, last.event_id]


def _decode(row: list[Any]) -> tuple[Snapshot, Span]:
    kind, told, first_at, first_id, last_at, last_id = row
    values = dict.fromkeys(_FIELDS[_KINDS[kind]])
    values.update(
        {name: datetime.fromisoformat(v) if name in _MOMENTS else v for name, v in told.items() if name in values}
    )
    snapshot: Snapshot = _KINDS[kind](**values)
    first = Stamp(datetime.fromisoformat(first_at), first_id)
    return snapshot, Span(first, Stamp(datetime.fromisoformat(last_at), last_id))
