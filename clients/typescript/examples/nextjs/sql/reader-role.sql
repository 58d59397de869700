-- The gateway's role in the web app's database: it can find a session, and nothing else.
-- Once per server. Each process of the gateway holds up to 8 connections. Set its password with \password in psql.
CREATE ROLE atlas_billing_reader LOGIN NOINHERIT CONNECTION LIMIT 40;
ALTER ROLE atlas_billing_reader SET default_transaction_read_only = on;

-- In the app's database.
GRANT USAGE ON SCHEMA public TO atlas_billing_reader;
GRANT SELECT ("sessionToken", "userId", expires) ON "Session" TO atlas_billing_reader;
