"""The tables as alembic knows them. The service speaks SQL; these models say what the schema is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Index, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Table(SQLModel, registry=registry()):
    """Base of the service's tables: a catalog of its own, whatever else is imported beside it."""


metadata = Table.metadata


def _when(*, null: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=null)


class LedgerRow(Table, table=True):
    """Every fact ever received. Insert only: triggers refuse DELETE, TRUNCATE, and every UPDATE except forgetting."""

    __tablename__ = "ledger"
    __table_args__ = (
        UniqueConstraint("provider", "provider_event_id", name="ledger_provider_event"),
        Index("ledger_user", "user_id", postgresql_where=text("user_id IS NOT NULL")),
        Index("ledger_fraud_warnings", "seq", postgresql_where=text("type = 'fraud_warning_observed'")),
    )
    seq: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    provider: str = Field(sa_column=Column(Text, nullable=False))
    provider_event_id: str = Field(sa_column=Column(Text, nullable=False))
    event_id: str = Field(sa_column=Column(Text, nullable=False))
    type: str = Field(sa_column=Column(Text, nullable=False))
    user_id: str | None = Field(sa_column=Column(Text))
    product_key: str = Field(sa_column=Column(Text, nullable=False))
    plan_type: str = Field(sa_column=Column(Text, nullable=False))
    occurred_at: datetime = Field(sa_column=_when())
    received_at: datetime = Field(sa_column=_when())
    recorded_at: datetime = Field(sa_column=_when())
    via: str = Field(sa_column=Column(Text, nullable=False))
    payload_hash: str = Field(sa_column=Column(Text, nullable=False))
    signature_verified: bool = Field(sa_column=Column(Boolean, nullable=False))
    schema_version: int = Field(sa_column=Column(BigInteger, nullable=False))
    checkout_session_id: str | None = Field(sa_column=Column(Text))
    payment_intent_id: str | None = Field(sa_column=Column(Text))
    charge_id: str | None = Field(sa_column=Column(Text))
    customer_id: str | None = Field(sa_column=Column(Text))
    refund_id: str | None = Field(sa_column=Column(Text))
    dispute_id: str | None = Field(sa_column=Column(Text))
    facts: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    read_by: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="1"))
    request_id: str | None = Field(sa_column=Column(Text))


class ProjectionReadingRow(Table, table=True):
    """One row: which version of the fold made the projection (``reading``), up to which fact (``until``), and how many
    users were forgotten (``forgets``). ``bucket_filled``: the state bucket that has been filled from it.
    """

    __tablename__ = "projection_reading"
    only_row: bool = Field(sa_column=Column(Boolean, primary_key=True, server_default="true"))
    reading: int = Field(sa_column=Column(BigInteger, nullable=False))
    until: int = Field(sa_column=Column(BigInteger, nullable=False))
    forgets: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    bucket_filled: str | None = Field(sa_column=Column(Text))


class PaymentRow(Table, table=True):
    """Projection: what is known about one payment, merged."""

    __tablename__ = "payments"
    __table_args__ = (
        Index("payments_user", "user_id", postgresql_where=text("user_id IS NOT NULL")),
        Index(
            "payments_also_users",
            "also_users",
            postgresql_using="gin",
            postgresql_where=text("also_users IS NOT NULL"),
        ),
        Index("payments_review", "id", postgresql_where=text("review IS NOT NULL")),
    )
    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    provider: str = Field(sa_column=Column(Text, nullable=False))
    user_id: str | None = Field(sa_column=Column(Text))
    knowledge: list[Any] = Field(sa_column=Column(JSONB, nullable=False))
    also_users: list[str] | None = Field(sa_column=Column(ARRAY(Text)))
    review: str | None = Field(sa_column=Column(Text))


class PaymentRefRow(Table, table=True):
    """Projection: which payment a provider's id belongs to."""

    __tablename__ = "payment_refs"
    __table_args__ = (Index("payment_refs_payment", "payment_id"),)
    ref: str = Field(sa_column=Column(Text, primary_key=True))
    payment_id: int = Field(sa_column=Column(BigInteger, nullable=False))


class PaymentFactRow(Table, table=True):
    """Projection: which payment a fact of the ledger belongs to."""

    __tablename__ = "payment_facts"
    __table_args__ = (Index("payment_facts_payment", "payment_id"),)
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    payment_id: int = Field(sa_column=Column(BigInteger, nullable=False))


class EntitlementRow(Table, table=True):
    """Projection: what a user is entitled to."""

    __tablename__ = "entitlements"
    user_id: str = Field(sa_column=Column(Text, primary_key=True))
    is_pro: bool = Field(sa_column=Column(Boolean, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    source: str | None = Field(sa_column=Column(Text))
    active_from: datetime | None = Field(sa_column=_when(null=True))
    active_until: datetime | None = Field(sa_column=_when(null=True))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    caused_by: str = Field(sa_column=Column(Text, nullable=False))
    updated_at: datetime = Field(sa_column=_when())
    request_id: str | None = Field(sa_column=Column(Text))


class ChargeLookupRow(Table, table=True):
    """Charges whose payment is unknown, and when to ask for each; see ``use_cases/resolve_charges``."""

    __tablename__ = "charge_lookups"
    __table_args__ = (Index("charge_lookups_due", "ask_at", "payment_id"),)
    charge_id: str = Field(sa_column=Column(Text, primary_key=True))
    payment_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    ask_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))


class ChargesSoughtRow(Table, table=True):
    """One row: up to which fact the ledger was searched for such charges."""

    __tablename__ = "charges_sought"
    only_row: bool = Field(sa_column=Column(Boolean, primary_key=True, server_default="true"))
    until: int = Field(sa_column=Column(BigInteger, nullable=False))


class WaitingRevokeRow(Table, table=True):
    """Revokes that another person has to approve; see ``use_cases/waiting_revokes``."""

    __tablename__ = "waiting_revokes"
    __table_args__ = (
        Index(
            "waiting_revokes_open",
            "user_id",
            text("COALESCE(payment_id, ''::text)"),
            unique=True,
            postgresql_where=text("approved_at IS NULL AND withdrawn_at IS NULL"),
        ),
        Index("waiting_revokes_user", "user_id"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    user_id: str = Field(sa_column=Column(Text, nullable=False))
    payment_id: str | None = Field(sa_column=Column(Text))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    ticket: str = Field(sa_column=Column(Text, nullable=False))
    requested_by: str = Field(sa_column=Column(Text, nullable=False))
    requested_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))
    approved_by: str | None = Field(sa_column=Column(Text))
    approved_at: datetime | None = Field(sa_column=_when(null=True))
    withdrawn_by: str | None = Field(sa_column=Column(Text))
    withdrawn_at: datetime | None = Field(sa_column=_when(null=True))


class AuditRow(Table, table=True):
    """Results of audits, in numbers."""

    __tablename__ = "audits"
    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))
    told_by: str | None = Field(sa_column=Column(Text))
    users: int = Field(sa_column=Column(BigInteger, nullable=False))
    paid_not_pro: int = Field(sa_column=Column(BigInteger, nullable=False))
    pro_not_paid: int = Field(sa_column=Column(BigInteger, nullable=False))
    second_payments: int = Field(sa_column=Column(BigInteger, nullable=False))


class OutboxRow(Table, table=True):
    """Events to announce; see ``atlas_kit.messaging.outbox``."""

    __tablename__ = "outbox"
    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    message_id: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    subject: str = Field(sa_column=Column(Text, nullable=False))
    payload: str = Field(sa_column=Column(Text, nullable=False))
    request_id: str | None = Field(sa_column=Column(Text))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))
