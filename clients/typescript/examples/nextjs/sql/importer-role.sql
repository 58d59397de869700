-- The role of `./atlas import` and `./atlas shadow`: it reads billing's old tables and the list of users.
-- Drop it when the old tables are gone.
CREATE ROLE atlas_billing_importer LOGIN NOINHERIT CONNECTION LIMIT 5;
ALTER ROLE atlas_billing_importer SET default_transaction_read_only = on;
GRANT USAGE ON SCHEMA public TO atlas_billing_importer;
GRANT SELECT (id, "deletedAt") ON "User" TO atlas_billing_importer;
GRANT SELECT ON "ProEntitlement", "BillingEntitlementProjection", "BillingEventLedger" TO atlas_billing_importer;
