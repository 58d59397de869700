"""The ledger and its projection."""

from alembic import op

from atlas_kit.messaging.outbox import CREATE_OUTBOX

revision = "20261123_0001_ledger"
down_revision = None

CREATE_TABLES = """
CREATE TABLE ledger (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider text NOT NULL,
    provider_event_id text NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    user_id text,
    product_key text NOT NULL,
    plan_type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    via text NOT NULL,
    payload_hash text NOT NULL,
    signature_verified boolean NOT NULL,
    schema_version bigint NOT NULL,
    checkout_session_id text,
    payment_intent_id text,
    charge_id text,
    customer_id text,
    refund_id text,
    dispute_id text,
    facts jsonb NOT NULL,
    CONSTRAINT ledger_provider_event UNIQUE (provider, provider_event_id)
);
CREATE INDEX ledger_user ON ledger (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE payments (
    id bigint PRIMARY KEY,
    provider text NOT NULL,
    user_id text,
    knowledge jsonb NOT NULL
);
CREATE INDEX payments_user ON payments (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE payment_refs (ref text PRIMARY KEY, payment_id bigint NOT NULL);
CREATE INDEX payment_refs_payment ON payment_refs (payment_id);

CREATE TABLE payment_facts (seq bigint PRIMARY KEY, payment_id bigint NOT NULL);
CREATE INDEX payment_facts_payment ON payment_facts (payment_id);

CREATE TABLE entitlements (
    user_id text PRIMARY KEY,
    is_pro boolean NOT NULL,
    status text NOT NULL,
    source text,
    active_from timestamptz,
    active_until timestamptz,
    version bigint NOT NULL,
    reason text NOT NULL,
    caused_by text NOT NULL,
    updated_at timestamptz NOT NULL
);
"""

# The only change that a row of the ledger allows: its user id may be replaced by a random alias (forget_user).
APPEND_ONLY = """
CREATE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.user_id LIKE 'forgotten:%' AND to_jsonb(NEW) - 'user_id' = to_jsonb(OLD) - 'user_id'
       AND current_setting('atlas.forgetting', true) = 'on' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER ledger_no_update BEFORE UPDATE OR DELETE ON ledger FOR EACH ROW EXECUTE FUNCTION ledger_append_only();
CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();

CREATE FUNCTION forget_user(forgotten text, alias text) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public AS $$
DECLARE touched bigint;
BEGIN
    IF alias NOT LIKE 'forgotten:%' THEN RAISE EXCEPTION 'an alias starts with forgotten:'; END IF;
    PERFORM set_config('atlas.forgetting', 'on', true);
    UPDATE ledger SET user_id = alias WHERE user_id = forgotten;
    GET DIAGNOSTICS touched = ROW_COUNT;
    PERFORM set_config('atlas.forgetting', 'off', true);
    RETURN touched;
END $$;
"""

# Where the service has a role of its own, that role may read and append, nothing more.
LEAST_PRIVILEGE = """
DO $$
DECLARE role_name text;
BEGIN
    FOR role_name IN SELECT DISTINCT grantee FROM information_schema.role_table_grants
                     WHERE table_name = 'ledger' AND grantee NOT IN (current_user, 'PUBLIC') LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES ON ledger FROM %I', role_name);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    for statement in (CREATE_TABLES, CREATE_OUTBOX, APPEND_ONLY, LEAST_PRIVILEGE):
        op.execute(statement)


def downgrade() -> None:
    """A ledger is never dropped by a program."""
    raise NotImplementedError
