#!/bin/sh
# Restores what deploy/backup.sh saved to a broker without streams and to empty databases: deploy/restore.sh FOLDER
# (docs/operations.md). The services must not run yet. The variables are those of backup.sh; NATS_STREAM_REPLICAS says how
# often streams are kept here, where that is another number. Users, roles and empty databases are there already.
set -eu
[ $# = 1 ] || { echo "usage: deploy/restore.sh FOLDER" >&2; exit 2; }
folder=$1
: "${NATS_BACKUP_URL:?}" "${ENTITLEMENTS_BACKUP_URL:?}" "${CHECKOUT_BACKUP_URL:?}"
[ -f "$folder/SHA256SUMS" ] || { echo "$folder is no finished backup: SHA256SUMS is missing" >&2; exit 1; }
(cd "$folder" && sha256sum --check --quiet SHA256SUMS) || { echo "$folder is damaged: nothing was restored" >&2; exit 1; }

empty() { # empty NAME URL
  tables=$(psql -XAtq "$2" -c "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
  [ "$tables" = 0 ] || { echo "the database of $1 is not empty: nothing was restored" >&2; exit 1; }
}
empty entitlements "$ENTITLEMENTS_BACKUP_URL"
empty checkout "$CHECKOUT_BACKUP_URL"

# The streams first, because that refuses a broker that has any; each database is one transaction.
"${PYTHON:-python3}" -m atlas_kit.messaging.snapshots restore "$folder"

tables() { # tables NAME URL
  # What the service's role may do with each table stands in the dump, and so does what it will get of new ones. If it got
  # that for the restored ones too, it could change the ledger.
  psql -Xq -v ON_ERROR_STOP=1 "$2" -c "ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM $1_service" \
    -c "ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM $1_service"
  pg_restore --single-transaction --exit-on-error --no-owner --dbname="$2" "$folder/$1.dump" || {
    echo "the database of $1 was not restored; before anything else uses it, run deploy/postgres/10-roles.sql again" >&2
    exit 1
  }
}
tables entitlements "$ENTITLEMENTS_BACKUP_URL"
tables checkout "$CHECKOUT_BACKUP_URL"
echo "restored: databases of entitlements and checkout. Start the services, then: doctor --fix, rebuild --verify, pull."
