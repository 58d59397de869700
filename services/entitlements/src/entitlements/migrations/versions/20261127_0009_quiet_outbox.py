"""The fold hands what it announces to the relay of its own process, so its inserts wake nobody.

Earlier versions of this service don't set ``atlas.outbox_quiet``, and so go on waking the relays.
"""

from alembic import op

from atlas_kit.messaging.outbox import NOTIFY_UNLESS_QUIET

revision = "20261127_0009_quiet_outbox"
down_revision = "20261127_0008_also_users"


def upgrade() -> None:
    op.execute(NOTIFY_UNLESS_QUIET)


def downgrade() -> None:
    op.execute(
        "CREATE OR REPLACE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN PERFORM pg_notify('outbox', ''); RETURN NULL; END $$"
    )
