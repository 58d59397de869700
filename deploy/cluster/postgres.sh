#!/bin/sh
# Starts one of the two Postgres servers of deploy/compose.cluster.yml, in the image postgres:17. The one with
# FIRST=yes makes the databases when both are empty; the other one (OTHER is its address) copies it and follows. After a
# promotion it is the other way round, so both run this.
set -eu
export PGPASSWORD="$REPLICATOR_PASSWORD" PGCONNECT_TIMEOUT=3

# What the other server is: primary, standby, or nothing when it doesn't answer.
other() {
  case $(psql -XAtqw -h "$OTHER" -U replicator -d postgres -c 'SELECT pg_is_in_recovery()' 2>/dev/null) in
    f) echo primary ;;
    t) echo standby ;;
  esac
}

copy() {
  rm -rf "$PGDATA"/.copy && mkdir -m 700 "$PGDATA"/.copy
  pg_basebackup -w -h "$OTHER" -U replicator -D "$PGDATA"/.copy --write-recovery-conf --checkpoint=fast \
    -d "application_name=$(hostname)"
  # PG_VERSION last: with it the directory counts as complete.
  mv "$PGDATA/.copy/PG_VERSION" "$PGDATA/.version"
  mv "$PGDATA"/.copy/* "$PGDATA" && rmdir "$PGDATA/.copy" && mv "$PGDATA/.version" "$PGDATA/PG_VERSION"
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ "$FIRST" != yes ] || [ -n "$(other)" ]; then
    until [ "$(other)" = primary ]; do echo "waiting for $OTHER, to copy it"; sleep 1; done
    copy
  fi
elif [ ! -e "$PGDATA/standby.signal" ] && [ "$(other)" = primary ]; then
  # Two primaries would take different writes. What this one has may be nowhere else, so it is not thrown away here.
  echo "$OTHER is the primary now, and this server was one too: it does not start. docs/operations.md, 'the old primary'" >&2
  exit 1
fi
unset PGPASSWORD

# While a standby follows, a commit is answered once the standby has it on its disk; without one, commits wait for nobody.
# Looked at every second by the superuser, on the server's socket. On a standby nothing is decided.
follow() {
  decided=''
  while sleep 1; do
    found=$(psql -XAtq -U postgres -d postgres -c "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby'
      WHEN EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming') THEN '*' ELSE '' END" 2>/dev/null) || continue
    [ "$found" != standby ] && [ "names $found" != "$decided" ] || continue
    psql -Xq -U postgres -d postgres -c "ALTER SYSTEM SET synchronous_standby_names = '$found'" \
      -c 'SELECT pg_reload_conf()' >/dev/null && decided="names $found"
  done
}
follow &

exec docker-entrypoint.sh postgres
