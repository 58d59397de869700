"""The tables of this service's own database. Declared for migrations; at run time plain SQL reads and writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Index, Integer, SmallInteger, Text, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Table(SQLModel, registry=registry()):
    """Base of the service's tables: a catalog of its own, whatever else is imported beside it."""


metadata = Table.metadata
NOW = text("now()")
LIVE = "state IN ('creating', 'open', 'pending')"
STATES = "state IN ('creating', 'open', 'pending', 'complete', 'expired', 'failed')"


def _moment(*, nullable: bool = False) -> Any:
    return Column(DateTime(timezone=True), nullable=nullable, server_default=None if nullable else NOW)


class CustomerRow(Table, table=True):
    """The one Stripe customer of a user. Written before Stripe is asked, so that every retry has the same key."""

    __tablename__ = "customers"

    user_id: str = Field(sa_column=Column(Text, primary_key=True))
    customer_id: str | None = Field(sa_column=Column(Text, unique=True))
    attempt: int = Field(sa_column=Column(Integer, nullable=False, server_default=text("1")))
    created_at: datetime = Field(sa_column=_moment())


class CheckoutAttemptRow(Table, table=True):
    """One attempt to buy: its id makes the idempotency key, ``parameters`` are what Stripe was or will be asked for.

    The hosted page's URL isn't kept: whoever has it can pay, and Stripe tells it again when the session is read.
    """

    __tablename__ = "checkout_attempts"
    __table_args__ = (
        CheckConstraint(STATES, name="checkout_attempts_state"),
        Index("checkout_attempts_one_live_per_user", "user_id", unique=True, postgresql_where=text(LIVE)),
        Index("checkout_attempts_user", "user_id", "created_at"),
    )

    id: UUID = Field(sa_column=Column(postgresql.UUID, primary_key=True))
    user_id: str = Field(sa_column=Column(Text, nullable=False))
    customer_id: str = Field(sa_column=Column(Text, nullable=False))
    price_id: str = Field(sa_column=Column(Text, nullable=False))
    source: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    parameters: dict[str, Any] = Field(sa_column=Column(postgresql.JSONB, nullable=False))
    checkout_session_id: str | None = Field(sa_column=Column(Text, unique=True))
    amount: int | None = Field(sa_column=Column(BigInteger))
    currency: str | None = Field(sa_column=Column(Text))
    offers: list[Any] | None = Field(sa_column=Column(postgresql.JSONB(none_as_null=True)))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    created_at: datetime = Field(sa_column=_moment())
    updated_at: datetime = Field(sa_column=_moment())


class PortalConfigurationRow(Table, table=True):
    """The portal configuration that this service made because none is configured: one row or none."""

    __tablename__ = "portal_configurations"
    __table_args__ = (CheckConstraint("id = 1", name="portal_configurations_only_one"),)

    id: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    configuration_id: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=_moment())


class BackfillRow(Table, table=True):
    """How far an unfinished backfill has come: one row or none."""

    __tablename__ = "backfills"
    __table_args__ = (CheckConstraint("id = 1", name="backfills_only_one"),)

    id: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    since: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    began_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    last_session_id: str | None = Field(sa_column=Column(Text))
    reached: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    read: int = Field(sa_column=Column(BigInteger, nullable=False))
    new: int = Field(sa_column=Column(BigInteger, nullable=False))
    known: int = Field(sa_column=Column(BigInteger, nullable=False))
    updated_at: datetime = Field(sa_column=_moment())


class BackfillRefusalRow(Table, table=True):
    """A session that the unfinished backfill refused, to be listed when it ends."""

    __tablename__ = "backfill_refusals"

    checkout_session_id: str = Field(sa_column=Column(Text, primary_key=True))
    user_id: str | None = Field(sa_column=Column(Text))
    because: str = Field(sa_column=Column(Text, nullable=False))


class RequestCountRow(Table, table=True):
    """Requests of a user in the open window of a limit. Unlogged: see ``checkout.adapters.request_counts``."""

    __tablename__ = "request_counts"
    __table_args__ = (Index("request_counts_ends_at", "ends_at"), {"prefixes": ["UNLOGGED"]})

    user_id: str = Field(sa_column=Column(Text, primary_key=True))
    limit_name: str = Field(sa_column=Column(Text, primary_key=True))
    count: int = Field(sa_column=Column(BigInteger, nullable=False))
    ends_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class OutboxRow(Table, table=True):
    """Made by ``atlas_kit.messaging.outbox.CREATE_OUTBOX``."""

    __tablename__ = "outbox"

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    message_id: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    subject: str = Field(sa_column=Column(Text, nullable=False))
    payload: str = Field(sa_column=Column(Text, nullable=False))
    request_id: str | None = Field(sa_column=Column(Text))
    created_at: datetime = Field(sa_column=_moment())
