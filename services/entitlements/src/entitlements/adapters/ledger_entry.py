"""Turns a canonical event into a row of the ledger, and a row into the fact that the domain folds.

The column ``facts`` keeps the event's data as received, without what has a column of its own. The user's id is only in
the column ``user_id``, so that a user can be forgotten. Unknown fields of newer events are kept. A fact of a newer
schema version is stored and has no effect until a version of the service that reads it folds it (docs/decisions/0010).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from atlas_contracts.billing import BillingData, BillingOutline, read_billing_event
from atlas_contracts.cloudevents import SCHEMA_VERSION
from atlas_kit.messaging.broker import told_ids
from atlas_kit.messaging.events import event_type_of
from atlas_kit.process.context import Ids
from entitlements.domain.facts import (
    Adjustment,
    Charge,
    CheckoutSession,
    Dispute,
    Fact,
    FraudWarning,
    ImportedGrant,
    PaymentAdjustment,
    RecordedSession,
    Refund,
    Snapshot,
)

TIES = ("checkout_session_id", "payment_intent_id", "charge_id", "refund_id", "dispute_id")
"""Ids by which facts are assigned to the same payment. A customer has many payments, so its id is not among them."""

ABOUT_A_PAYMENT = frozenset({"revoke_payment", "undo_revoke_payment"})
"""An operator's actions that name a payment in ``refs``; the others are about the user."""

_IN_COLUMNS = frozenset(
    {
        "eventId", "provider", "providerEventId", "userId", "productKey", "planType", "occurredAt", "receivedAt", "via",
        "payloadHash", "signatureVerified", "schemaVersion", "refs",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One event, ready for the ledger."""

    data: BillingOutline
    type: str
    facts: Mapping[str, Any]
    ids: Ids | None = None
    """The request and span that the event came with, for events that it causes. None: those of the appending code."""

    @property
    def key(self) -> tuple[str, str]:
        """The ledger's unique key: ``(provider, providerEventId)``."""
        return str(self.data.provider), self.data.provider_event_id

    @property
    def newer(self) -> bool:
        """Whether only a newer version of this service understands it."""
        return is_newer(self.data.schema_version)

    def fact(self, seq: int, recorded_at: datetime) -> Fact:
        """The domain's fact, after the ledger has assigned the sequence ``seq``."""
        data = self.data
        return make_fact(
            seq=seq,
            event_id=data.event_id,
            event_type=self.type,
            provider=str(data.provider),
            user_id=data.user_id,
            occurred_at=data.occurred_at,
            recorded_at=recorded_at,
            ties={name: getattr(data.refs, name) for name in TIES},
            schema_version=data.schema_version,
            facts=self.facts,
        )


def ledger_entry(payload: bytes, headers: Mapping[str, str] | None = None) -> LedgerEntry:
    """The entry for a billing CloudEvent in JSON. Raises pydantic.ValidationError when ``payload`` is none."""
    event = read_billing_event(payload)
    ids = told_ids(headers or {}, event.requestid, event.traceparent)
    return LedgerEntry(event.data, event.type.rsplit(".", 1)[-1], _facts(json.loads(payload)["data"]), ids)


def entry_of(data: BillingData) -> LedgerEntry:
    """The entry that these facts would be, had they come off the wire."""
    return LedgerEntry(data, event_type_of(data.event_id), _facts(data.model_dump(mode="json", by_alias=True)))


def _facts(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in _IN_COLUMNS and value is not None}


def is_newer(schema_version: int) -> bool:
    """Whether facts of this schema version may mean something that this code doesn't know."""
    return schema_version > SCHEMA_VERSION


def make_fact(
    *,
    seq: int,
    event_id: str,
    event_type: str,
    provider: str,
    user_id: str | None,
    occurred_at: datetime,
    recorded_at: datetime,
    ties: Mapping[str, str | None],
    schema_version: int,
    facts: Mapping[str, Any],
) -> Fact:
    """The domain's fact, from the ledger's columns."""
    told = () if is_newer(schema_version) else _snapshots(facts, user_id, event_id, ties["charge_id"], provider)
    snapshots = tuple(told)
    about_payment = any(isinstance(snapshot, PaymentAdjustment) for snapshot in snapshots)
    if about_payment:  # an operator's decision about a payment is assigned to that payment, which is Stripe's
        provider = "stripe"
    if any(isinstance(snapshot, ImportedGrant) for snapshot in snapshots):  # of whatever source, a word about the user
        provider = "manual"
    return Fact(
        seq=seq,
        event_id=event_id,
        type=event_type,
        provider=provider,
        user_id=user_id,
        occurred_at=occurred_at.astimezone(UTC),
        recorded_at=recorded_at,
        refs=tuple(_refs(provider, user_id, ties)) if snapshots else (),
        snapshots=snapshots,
    )


def _refs(provider: str, user_id: str | None, ties: Mapping[str, str | None]) -> Iterator[str]:
    if provider == "manual":
        yield f"manual:user:{user_id}"
        return
    for name, value in ties.items():
        if value:
            yield f"{provider}:{name.removesuffix('_id')}:{value}"


def _snapshots(
    facts: Mapping[str, Any], user_id: str | None, event_id: str, charge_id: str | None, provider: str
) -> Iterator[Snapshot]:
    if session := facts.get("checkoutSession"):
        yield _session(session, user_id)
    if (recorded := facts.get("recordedSession")) and user_id:
        yield _recorded(recorded, user_id)
    if charge := facts.get("charge"):
        yield Charge(charge["id"], charge["amount"], charge["amountRefunded"])
    if refund := facts.get("refund"):
        yield Refund(refund["id"], refund["amount"], refund["status"], charge_id)
    if dispute := facts.get("dispute"):
        yield Dispute(dispute["id"], dispute["status"])
    if warning := facts.get("fraudWarning"):
        yield FraudWarning(warning["id"], warning.get("fraudType"), warning.get("actionable"))
    if (adjustment := facts.get("adjustment")) and user_id:
        action = adjustment["action"]
        if imported := adjustment.get("imported"):
            yield _imported(imported, user_id, provider)
        elif action in ABOUT_A_PAYMENT:
            yield PaymentAdjustment(event_id, action)
        else:
            yield Adjustment(event_id, action, user_id)


def _imported(imported: Mapping[str, Any], user_id: str, source: str) -> ImportedGrant:
    active_from, as_of = _moment(imported["activeFrom"]), _moment(imported["asOf"])
    assert active_from
    assert as_of
    return ImportedGrant(user_id, source, active_from, as_of, _moment(imported.get("activeUntil")))


def _recorded(recorded: Mapping[str, Any], user_id: str) -> RecordedSession:
    offers = sorted((offer["amount"], offer["currency"]) for offer in recorded.get("offers") or ())
    return RecordedSession(recorded["id"], user_id, recorded["amount"], recorded["currency"], tuple(offers))


def _session(session: Mapping[str, Any], user_id: str | None) -> CheckoutSession:
    return CheckoutSession(
        id=session["id"],
        payment_status=session["paymentStatus"],
        mode=session["mode"],
        amount_total=session.get("amountTotal"),
        currency=session.get("currency"),
        livemode=session["livemode"],
        payment_link=session["paymentLink"],
        product_key=session.get("productKey"),
        user_id=user_id,
        status=session.get("status"),
        completed_at=_moment(session.get("completedAt")),
        paid_at=_moment(session.get("paidAt")),
        failed_at=_moment(session.get("failedAt")),
        paid_at_inferred=bool(session.get("paidAtInferred")),
        amount_subtotal=session.get("amountSubtotal"),
    )


def _moment(value: str | None) -> datetime | None:
    """The time in UTC, so that the same moment is always stored as the same text."""
    return datetime.fromisoformat(value).astimezone(UTC) if value else None
