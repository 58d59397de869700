"""The index of a payment's other users leaves out the payments that have none, which are nearly all.

A GIN index has an entry for NULL too, and new entries wait in a list that every lookup reads from end to end: each fold
read what all folds since the last vacuum had written.
"""

from alembic import op

revision = "20261127_0008_also_users"
down_revision = "20261126_0007_state_bucket"


def upgrade() -> None:
    op.execute("DROP INDEX payments_also_users")
    op.execute("CREATE INDEX payments_also_users ON payments USING gin (also_users) WHERE also_users IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP INDEX payments_also_users")
    op.execute("CREATE INDEX payments_also_users ON payments USING gin (also_users)")
