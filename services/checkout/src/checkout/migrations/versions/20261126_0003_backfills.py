"""How far an unfinished backfill has come, so that the next call goes on there."""

from alembic import op

revision = "20261126_0003_backfills"
down_revision = "20261126_0002_offers"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE backfills (
            id smallint PRIMARY KEY CONSTRAINT backfills_only_one CHECK (id = 1),
            since timestamptz,
            began_at timestamptz NOT NULL,
            last_session_id text,
            reached timestamptz,
            read bigint NOT NULL,
            new bigint NOT NULL,
            known bigint NOT NULL,
            updated_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("""
        CREATE TABLE backfill_refusals (
            checkout_session_id text PRIMARY KEY,
            user_id text,
            because text NOT NULL
        )
    """)
