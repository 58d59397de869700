"""What the price asked in every currency when a session was made: any of these may be paid (CONTRACT 11)."""

from alembic import op

revision = "20261126_0002_offers"
down_revision = "20261123_0001_checkout"


def upgrade() -> None:
    # Null for the sessions made before: their amount and currency are the one offer.
    op.execute("ALTER TABLE checkout_attempts ADD COLUMN offers jsonb")
