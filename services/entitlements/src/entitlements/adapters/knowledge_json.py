"""Knowledge about a payment as JSON: rows of ``[kind, fields, at, id, at, id]``, two tellings of a snapshot in each.

A snapshot that was reported once has that moment twice in its row; one reported more than twice has several rows. Older
versions of this code read a row as first and last telling, and several rows as one longer time; that is compatible.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from entitlements.domain.facts import (
    Adjustment,
    Charge,
    CheckoutSession,
    Dispute,
    FraudWarning,
    ImportedGrant,
    Knowledge,
    PaymentAdjustment,
    RecordedSession,
    Refund,
    Snapshot,
    Stamp,
    Tellings,
    add_to,
)

_KINDS: dict[str, type[Any]] = {
    "checkoutSession": CheckoutSession,
    "recordedSession": RecordedSession,
    "charge": Charge,
    "refund": Refund,
    "dispute": Dispute,
    "adjustment": Adjustment,
    "paymentAdjustment": PaymentAdjustment,
    "importedGrant": ImportedGrant,
    "fraudWarning": FraudWarning,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in _KINDS.values()}
_VALUES = {kind: attrgetter(*names) for kind, names in _FIELDS.items()}
_MOMENTS = frozenset({"completed_at", "paid_at", "failed_at", "active_from", "active_until", "as_of"})
_OFFERS = "offers"


def encode_knowledge(knowledge: Knowledge) -> str:
    """The same knowledge always gives the same text."""
    return json.dumps(knowledge_rows(knowledge), separators=(",", ":"), sort_keys=True)


def knowledge_rows(knowledge: Knowledge) -> list[list[Any]]:
    """The same knowledge always gives the same rows, in the order of time."""
    rows = [row for snapshot, tellings in knowledge.items() for row in _encode(snapshot, tellings)]
    return sorted(rows, key=lambda row: (row[2], row[3], row[0]))


def decode_knowledge(rows: list[list[Any]]) -> dict[Snapshot, Tellings]:
    """The knowledge in ``rows``, as far as this version of the code understands it.

    Kinds that only a newer version knows are left out; a newer replica computes them from the ledger again
    (docs/decisions/0010).
    """
    knowledge: dict[Snapshot, Tellings] = {}
    for row in rows:
        if row[0] in _KINDS:
            snapshot, tellings = _decode(row)
            add_to(knowledge, {snapshot: tellings})
    return knowledge


def _encode(snapshot: Snapshot, tellings: Tellings) -> Iterator[list[Any]]:
    kind = type(snapshot)
    told = {
        name: value.isoformat() if name in _MOMENTS else value
        for name, value in zip(_FIELDS[kind], _VALUES[kind](snapshot), strict=True)
        if value is not None and value != ()
    }
    if _OFFERS in told:
        told[_OFFERS] = [list(offer) for offer in told[_OFFERS]]
    stamps = sorted(tellings)
    for first, last in zip(stamps[::2], [*stamps[1::2], stamps[-1]], strict=False):
        first_at = first.at.isoformat()
        last_at = first_at if last is first else last.at.isoformat()
        yield [_NAMES[kind], told, first_at, first.event_id, last_at, last.event_id]


def _decode(row: list[Any]) -> tuple[Snapshot, Tellings]:
    kind, told, first_at, first_id, last_at, last_id = row
    values = dict.fromkeys(_FIELDS[_KINDS[kind]])
    values.update(
        {name: datetime.fromisoformat(v) if name in _MOMENTS else v for name, v in told.items() if name in values}
    )
    if _OFFERS in values:
        values[_OFFERS] = tuple((amount, currency) for amount, currency in values[_OFFERS] or ())
    snapshot: Snapshot = _KINDS[kind](**values)
    first = Stamp(datetime.fromisoformat(first_at), first_id)
    if last_id == first_id and last_at == first_at:
        return snapshot, frozenset((first,))
    return snapshot, frozenset((first, Stamp(datetime.fromisoformat(last_at), last_id)))
