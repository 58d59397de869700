#!/bin/sh
# Saves everything that is kept nowhere else: deploy/backup.sh FOLDER (docs/operations.md).
#
# NATS_BACKUP_URL: the broker, as the user admin; ENTITLEMENTS_BACKUP_URL, CHECKOUT_BACKUP_URL: the databases, as their owner.
# It needs pg_dump and, in PYTHON (default: python3), the package atlas_kit. The system goes on meanwhile.
set -eu
umask 077
[ $# = 1 ] || { echo "usage: deploy/backup.sh FOLDER" >&2; exit 2; }
folder=$1 partial=$1.partial
: "${NATS_BACKUP_URL:?}" "${ENTITLEMENTS_BACKUP_URL:?}" "${CHECKOUT_BACKUP_URL:?}"
[ ! -e "$folder" ] || { echo "$folder exists: nothing is overwritten" >&2; exit 1; }
rm -rf "$partial"
mkdir -p "$partial"

# Streams first, databases after them: what the projector has acknowledged in the saved stream is then in the saved
# ledger. The other way round facts would be lost in between. What the ledger knows and the stream doesn't does no harm.
"${PYTHON:-python3}" -m atlas_kit.messaging.snapshots save "$partial"
pg_dump --format=custom --no-unlogged-table-data --file="$partial/entitlements.dump" "$ENTITLEMENTS_BACKUP_URL"
pg_dump --format=custom --no-unlogged-table-data --file="$partial/checkout.dump" "$CHECKOUT_BACKUP_URL"

(cd "$partial" && sha256sum ./* >SHA256SUMS)
mv "$partial" "$folder"
echo "saved: databases of entitlements and checkout. All is in $folder, readable by you alone: it holds user ids."
