"""Which bucket of states was filled from the projection, by the moment at which the broker made it."""

from alembic import op

revision = "20261126_0007_state_bucket"
down_revision = "20261126_0004_reviews"


def upgrade() -> None:
    op.execute("ALTER TABLE projection_reading ADD COLUMN bucket_filled text")


def downgrade() -> None:
    """Nothing is dropped by a program."""
    raise NotImplementedError
