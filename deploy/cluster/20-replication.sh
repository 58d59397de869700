# Runs once, when the databases are made: the role with which a standby follows, and its way in. It owns nothing and may
# read no table; `pg_is_in_recovery()` is all that it is asked beside the log.
psql -v ON_ERROR_STOP=1 -X -U postgres -d postgres <<'END'
\getenv password REPLICATOR_PASSWORD
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'password';
END
echo 'host replication replicator all scram-sha-256' >>"$PGDATA/pg_hba.conf"
# Log is kept for a standby that is away for a while; one that is away for longer is copied anew. One that hangs is taken
# for gone after 10 s, so that commits don't wait for it any longer.
psql -v ON_ERROR_STOP=1 -X -U postgres -d postgres -c "ALTER SYSTEM SET wal_keep_size = '1GB'" \
  -c "ALTER SYSTEM SET wal_sender_timeout = '10s'"
