"""Customers, checkout attempts, the portal configuration, and the outbox."""

from alembic import op

from atlas_kit.messaging.outbox import CREATE_OUTBOX

revision = "20261123_0001_checkout"
down_revision = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE customers (
            user_id text PRIMARY KEY,
            customer_id text UNIQUE,
            attempt integer NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("""
        CREATE TABLE checkout_attempts (
            id uuid PRIMARY KEY,
            user_id text NOT NULL,
            customer_id text NOT NULL,
            price_id text NOT NULL,
            source text NOT NULL,
            state text NOT NULL CONSTRAINT checkout_attempts_state
                CHECK (state IN ('creating', 'open', 'pending', 'complete', 'expired', 'failed')),
            parameters jsonb NOT NULL,
            checkout_session_id text UNIQUE,
            amount bigint,
            currency text,
            expires_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    # Guarantees one open session per user, whatever the number of replicas.
    op.execute("""
        CREATE UNIQUE INDEX checkout_attempts_one_live_per_user ON checkout_attempts (user_id)
        WHERE state IN ('creating', 'open', 'pending')
    """)
    op.execute("CREATE INDEX checkout_attempts_user ON checkout_attempts (user_id, created_at)")
    op.execute("""
        CREATE TABLE portal_configurations (
            id smallint PRIMARY KEY CONSTRAINT portal_configurations_only_one CHECK (id = 1),
            configuration_id text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute(CREATE_OUTBOX)
