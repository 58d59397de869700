"""A ledger of any length for load scripts, filled in seconds: the rows of one purchase of each kind are made by the real
code from the real events, and copied with other numbers in the same places.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from webhook_events import session

from atlas_contracts.billing import BillingData, RecordedSession, Via
from atlas_kit.messaging.events import billing_event, encode
from atlas_stripe.arrival import Arrival
from atlas_stripe.mapping import from_event
from checkout.domain.own_facts import purchase_initiated
from entitlements.adapters import ledger
from entitlements.adapters.ledger_entry import ledger_entry

PLACE = 77_000_077_000_077
"""Stands for a purchase's number in the rows made once."""
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REFUNDED_EVERY, DISPUTED_EVERY = 10, 50


def _event(kind: str, name: str, minutes: int, provider_object: dict[str, Any]) -> BillingData:
    at = AT + timedelta(minutes=minutes)
    event = {"id": f"evt_{name}{PLACE}", "type": kind, "created": int(at.timestamp()), "data": {"object": provider_object}}
    return from_event(event, Arrival(Via.WEBHOOK, at, "sha256:" + "0" * 64, signature_verified=True))


def _purchase(*, refunded: bool, disputed: bool) -> list[BillingData]:
    """What is told about one purchase."""
    bought = session(PLACE)
    charge, intent = f"ch_{PLACE}", bought["payment_intent"]
    recorded = RecordedSession(id=bought["id"], amount=1900, currency="usd", price_id="price_1", source="direct")
    told = [
        purchase_initiated(f"user_{PLACE}", bought["customer"], recorded, AT, AT),
        _event("checkout.session.completed", "a", 1, bought),
    ]
    if refunded:
        refund = {"id": f"re_{PLACE}", "amount": 1900, "status": "succeeded", "currency": "usd"}
        paid = {"id": charge, "amount": 1900, "amount_refunded": 1900, "currency": "usd", "payment_intent": intent}
        told.append(_event("refund.created", "b", 60, refund | {"charge": charge, "payment_intent": intent}))
        told.append(_event("charge.refunded", "c", 60, paid))
    if disputed:
        dispute = {"id": f"du_{PLACE}", "amount": 1900, "currency": "usd", "charge": charge, "payment_intent": intent}
        told.append(_event("charge.dispute.created", "d", 90, dispute | {"status": "needs_response"}))
        told.append(_event("charge.dispute.closed", "e", 120, dispute | {"status": "won"}))
    return told


def _copy_line(data: BillingData) -> str:
    """The fact's row as COPY reads it."""
    row = ledger._row(ledger_entry(encode(billing_event(data, "bench"))), data.received_at)
    return "\t".join(map(_copy_value, row.values())) + "\n"


def _copy_value(value: Any) -> str:
    if value is None:
        return r"\N"
    return json.dumps(value) if isinstance(value, Mapping) else str(value)


def _lines(rows: int) -> Iterator[str]:
    kinds = {
        (refunded, disputed): [_copy_line(data) for data in _purchase(refunded=refunded, disputed=disputed)]
        for refunded in (False, True)
        for disputed in (False, True)
    }
    written, number = 0, 0
    while written < rows:
        number += 1
        for line in kinds[number % REFUNDED_EVERY == 0, number % DISPUTED_EVERY == 7][: rows - written]:
            yield line.replace(str(PLACE), f"{number:014d}")
            written += 1


def fill(dsn: str, rows: int) -> None:
    """Append ``rows`` facts, purchase by purchase: two each, four where it was refunded, two more where disputed."""
    statement = sql.SQL("COPY ledger ({}) FROM STDIN").format(sql.SQL(", ").join(map(sql.Identifier, ledger._COLUMNS)))
    with psycopg.connect(dsn) as connection, connection.cursor().copy(statement) as copy:
        for line in _lines(rows):
            copy.write(line)
