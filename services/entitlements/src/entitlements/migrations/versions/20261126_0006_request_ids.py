"""The id of the request that told each fact, and of the one whose fact changed each entitlement; the last audit."""

from alembic import op

revision = "20261126_0006_request_ids"
down_revision = "20261126_0004_reviews"

COLUMNS = """
ALTER TABLE ledger ADD COLUMN request_id text;
ALTER TABLE entitlements ADD COLUMN request_id text;
CREATE TABLE last_audit (
    only_row boolean PRIMARY KEY DEFAULT true,
    at timestamptz NOT NULL,
    clean_at timestamptz,
    report jsonb NOT NULL
);
"""


def upgrade() -> None:
    op.execute(COLUMNS)


def downgrade() -> None:
    """Nothing is dropped by a program."""
    raise NotImplementedError
