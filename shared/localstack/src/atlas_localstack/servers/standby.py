"""A Postgres standby: a copy of the primary that follows it by streaming replication, and can take its place."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from atlas_localstack.servers import database
from atlas_localstack.servers.database import Cluster
from atlas_localstack.servers.ports import LOOPBACK

# Of both servers: each may be either. `synchronous_standby_names` is not among them, for it changes while they run.
REPLICATED = {
    "wal_level": "replica",
    "max_wal_senders": "6",
    "hot_standby": "on",
    # A standby that was away for less than this much of the log goes on by itself; else it is copied anew.
    "wal_keep_size": "256MB",
    # A side that hangs is noticed after this time; see PATIENCE_SECONDS of stack.databases.
    "wal_receiver_timeout": "5s",
    "wal_sender_timeout": "5s",
    "wal_retrieve_retry_interval": "500ms",
}
COPY_SECONDS = 600.0
ANSWER_SECONDS = 5.0
PROMOTION_SECONDS = 30


@dataclass(frozen=True)
class Following:
    """What the primary says of its standby."""

    streaming: bool
    """The standby receives the log, and has nothing left to catch up."""
    waited_for: bool
    """A commit is answered once the standby has it on its disk."""
    flushed: int
    """Bytes of the log that the standby has on its disk; 0 while it is away."""
    written: int
    """Bytes of the log that the primary has on its disk."""


def is_copy(cluster: Cluster) -> bool:
    """Whether the data directory is a standby's. A former primary's is not: it may have what nobody else has."""
    return (cluster.data / "standby.signal").exists()


def copy(cluster: Cluster, primary: Cluster, role: str, password: str) -> None:
    """Make the data directory anew as a copy of the running primary. Raises ServerError; then nothing has changed."""
    partial = database.new_folder(cluster)
    source = f"host={LOOPBACK} port={primary.port} user={role} application_name={cluster.data.name}"
    options = ["--pgdata", str(partial), "--dbname", source, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
    database.run(cluster.install, "pg_basebackup", options, password=password, seconds=COPY_SECONDS)
    shutil.rmtree(cluster.data, ignore_errors=True)
    partial.rename(cluster.data)


def following(primary: Cluster) -> Following:
    """Ask the primary. Raises ServerError where it does not answer."""
    sql = """
        SELECT coalesce(bool_or(state = 'streaming' AND flush_lsn IS NOT NULL), false),
               coalesce(bool_or(sync_state IN ('sync', 'quorum')), false),
               coalesce(max(flush_lsn - '0/0'::pg_lsn), 0)::bigint,
               (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint
        FROM pg_stat_replication WHERE application_name LIKE 'postgres%'
    """
    row = database.execute(primary, sql, seconds=ANSWER_SECONDS).strip().split("|")
    return Following(row[0] == "t", row[1] == "t", int(row[2]), int(row[3]))


def wait_for(primary: Cluster, *, commits: bool) -> None:
    """Let commits wait for the standby from now on, or no longer. Raises ServerError."""
    change = "SET synchronous_standby_names = '*'" if commits else "RESET synchronous_standby_names"
    database.execute(primary, f"ALTER SYSTEM {change};\nSELECT pg_reload_conf();", seconds=ANSWER_SECONDS)


def receives(cluster: Cluster) -> bool:
    """Whether this standby is connected to its primary. Raises ServerError where it does not answer."""
    sql = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"
    return database.execute(cluster, sql, seconds=ANSWER_SECONDS).strip() == "1"


def is_standby(cluster: Cluster) -> bool:
    """Whether the running server takes no writes. Raises ServerError where it does not answer."""
    return database.execute(cluster, "SELECT pg_is_in_recovery()", seconds=ANSWER_SECONDS).strip() == "t"


def promote(cluster: Cluster) -> None:
    """Make a running standby the primary. Its commits wait for nobody until it has a standby itself.

    Raises ServerError where that does not happen within ``PROMOTION_SECONDS``.
    """
    wait_for(cluster, commits=False)
    sql = f"SELECT pg_promote(true, {PROMOTION_SECONDS})"
    database.execute(cluster, sql, seconds=PROMOTION_SECONDS + ANSWER_SECONDS)
