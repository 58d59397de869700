"""What all replicas of the gateway count together: requests of each user in the open window of each limit."""

from alembic import op

revision = "20261127_0004_request_counts"
down_revision = "20261126_0003_backfills"


def upgrade() -> None:
    op.execute("""
        CREATE UNLOGGED TABLE request_counts (
            user_id text NOT NULL,
            limit_name text NOT NULL,
            count bigint NOT NULL,
            ends_at timestamptz NOT NULL,
            PRIMARY KEY (user_id, limit_name)
        )
    """)
    op.execute("CREATE INDEX request_counts_ends_at ON request_counts (ends_at)")
