"""The id of the request that told each fact, and of the one whose fact changed each entitlement."""

from alembic import op

revision = "20261126_0006_request_ids"
down_revision = "20261126_0005_support"

COLUMNS = """
ALTER TABLE ledger ADD COLUMN request_id text;
ALTER TABLE entitlements ADD COLUMN request_id text;
"""


def upgrade() -> None:
    op.execute(COLUMNS)


def downgrade() -> None:
    """Nothing is dropped by a program."""
    raise NotImplementedError
