-- Written by deploy/generate.py: change the rules there, or in shared/localstack/src/atlas_localstack/stack.
\getenv entitlements_owner ENTITLEMENTS_OWNER_PASSWORD
\getenv entitlements_service ENTITLEMENTS_SERVICE_PASSWORD
\getenv checkout_owner CHECKOUT_OWNER_PASSWORD
\getenv checkout_service CHECKOUT_SERVICE_PASSWORD
\connect postgres
SELECT 'CREATE ROLE entitlements_owner LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'entitlements_owner') \gexec
ALTER ROLE entitlements_owner PASSWORD :'entitlements_owner';
SELECT 'CREATE ROLE entitlements_service LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'entitlements_service') \gexec
ALTER ROLE entitlements_service PASSWORD :'entitlements_service';
SELECT 'CREATE DATABASE entitlements OWNER entitlements_owner'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'entitlements') \gexec
REVOKE ALL ON DATABASE entitlements FROM PUBLIC;
GRANT CONNECT ON DATABASE entitlements TO entitlements_service;
\connect entitlements
ALTER DEFAULT PRIVILEGES FOR ROLE entitlements_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO entitlements_service;
ALTER DEFAULT PRIVILEGES FOR ROLE entitlements_owner GRANT USAGE, SELECT ON SEQUENCES TO entitlements_service;
\connect postgres
SELECT 'CREATE ROLE checkout_owner LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'checkout_owner') \gexec
ALTER ROLE checkout_owner PASSWORD :'checkout_owner';
SELECT 'CREATE ROLE checkout_service LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'checkout_service') \gexec
ALTER ROLE checkout_service PASSWORD :'checkout_service';
SELECT 'CREATE DATABASE checkout OWNER checkout_owner'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'checkout') \gexec
REVOKE ALL ON DATABASE checkout FROM PUBLIC;
GRANT CONNECT ON DATABASE checkout TO checkout_service;
\connect checkout
ALTER DEFAULT PRIVILEGES FOR ROLE checkout_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO checkout_service;
ALTER DEFAULT PRIVILEGES FOR ROLE checkout_owner GRANT USAGE, SELECT ON SEQUENCES TO checkout_service;
