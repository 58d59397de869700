"""Which version of the fold folded each fact, and which made the projection (docs/decisions/0010)."""

from alembic import op

revision = "20261125_0002_reading"
down_revision = "20261123_0001_ledger"

# Replicas that don't know the column yet contain version 1 of the fold.
LEDGER = "ALTER TABLE ledger ADD COLUMN read_by bigint NOT NULL DEFAULT 1"

PROJECTION = """
CREATE TABLE projection_reading (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    reading bigint NOT NULL,
    until bigint NOT NULL
);
INSERT INTO projection_reading (reading, until) SELECT 1, coalesce(max(seq), 0) FROM ledger;
"""


def upgrade() -> None:
    for statement in (LEDGER, PROJECTION):
        op.execute(statement)


def downgrade() -> None:
    """Not possible: nothing of the ledger is dropped by a program."""
    raise NotImplementedError
