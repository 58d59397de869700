"""Payments that affect several users or need review; only the service may forget users, and each time is counted."""

from alembic import op

revision = "20261126_0004_reviews"
down_revision = "20261126_0003_charge_lookups"

COLUMNS = """
ALTER TABLE payments ADD COLUMN also_users text[];
ALTER TABLE payments ADD COLUMN review text;
CREATE INDEX payments_also_users ON payments USING gin (also_users);
CREATE INDEX payments_review ON payments (id) WHERE review IS NOT NULL;
CREATE INDEX ledger_fraud_warnings ON ledger (seq) WHERE "type" = 'fraud_warning_observed';
ALTER TABLE projection_reading ADD COLUMN forgets bigint NOT NULL DEFAULT 0;
"""

# The function runs with its owner's rights; without this, every role that may connect could call it.
NOT_FOR_EVERYBODY = """
DO $$
DECLARE role_name text;
BEGIN
    REVOKE EXECUTE ON FUNCTION forget_user(text, text) FROM PUBLIC;
    FOR role_name IN SELECT DISTINCT grantee FROM information_schema.role_table_grants
                     WHERE table_name = 'ledger' AND privilege_type = 'INSERT'
                       AND grantee NOT IN (current_user, 'PUBLIC') LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION forget_user(text, text) TO %I', role_name);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    for statement in (COLUMNS, NOT_FOR_EVERYBODY):
        op.execute(statement)


def downgrade() -> None:
    """Nothing is dropped by a program."""
    raise NotImplementedError
