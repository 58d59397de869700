"""Charges whose payment is unknown: when to ask for each, and up to which fact the ledger was searched for them."""

from alembic import op

revision = "20261126_0003_charge_lookups"
down_revision = "20261125_0002_reading"

CREATE_TABLES = """
CREATE TABLE charge_lookups (
    charge_id text PRIMARY KEY,
    payment_id bigint NOT NULL,
    ask_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX charge_lookups_due ON charge_lookups (ask_at, payment_id);
CREATE TABLE charges_sought (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    until bigint NOT NULL
);
INSERT INTO charges_sought (until) VALUES (0);
"""


def upgrade() -> None:
    op.execute(CREATE_TABLES)


def downgrade() -> None:
    """Nothing is dropped by a program."""
    raise NotImplementedError
