"""Revokes that wait for another person's approval, and the results of audits."""

from alembic import op

revision = "20261126_0005_support"
down_revision = "20261126_0004_reviews"

CREATE_TABLES = """
CREATE TABLE waiting_revokes (
    id text PRIMARY KEY,
    user_id text NOT NULL,
    payment_id text,
    reason text NOT NULL,
    ticket text NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    approved_by text,
    approved_at timestamptz,
    withdrawn_by text,
    withdrawn_at timestamptz,
    CONSTRAINT waiting_revokes_two_people CHECK (lower(approved_by) <> lower(requested_by))
);
CREATE UNIQUE INDEX waiting_revokes_open ON waiting_revokes (user_id, COALESCE(payment_id, ''))
    WHERE approved_at IS NULL AND withdrawn_at IS NULL;
CREATE INDEX waiting_revokes_user ON waiting_revokes (user_id);
CREATE TABLE audits (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    told_by text,
    users bigint NOT NULL,
    paid_not_pro bigint NOT NULL,
    pro_not_paid bigint NOT NULL,
    second_payments bigint NOT NULL
);
"""


def upgrade() -> None:
    op.execute(CREATE_TABLES)


def downgrade() -> None:
    """Nothing is dropped by a program."""
    raise NotImplementedError
