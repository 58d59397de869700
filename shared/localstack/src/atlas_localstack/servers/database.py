"""An embedded Postgres cluster: created once, started and stopped, and queried with its own `psql`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from atlas_localstack.servers.binaries import PostgresInstall
from atlas_localstack.servers.errors import ServerError
from atlas_localstack.servers.ports import LOOPBACK
from atlas_localstack.servers.process import spawn, stop, tail

SUPERUSER = "atlas_admin"
START_SECONDS = 30.0
STOP_SECONDS = 15.0
# The supervisor's own changes must not wait for a standby that it may be about to start.
WAIT_FOR_NOBODY = "-c synchronous_commit=local"
# Line of postmaster.pid that tells the state (LOCK_FILE_LINE_PM_STATUS, counted from 0).
PID_FILE_STATUS = 7
# Settings for a developer's machine: small caches, no parallel workers, no replication.
SMALL = {
    "shared_buffers": "32MB",
    "max_connections": "100",
    "max_worker_processes": "4",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "max_wal_size": "256MB",
    "jit": "off",
}
# Settings for the clusters of tests, whose data need not survive a power cut.
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Cluster:
    """A data directory, the port it is served on and its superuser's password."""

    install: PostgresInstall
    data: Path
    port: int
    password: str

    def dsn(self, database: str, user: str = SUPERUSER, password: str | None = None) -> str:
        """A connection URL, with credentials."""
        secret = self.password if password is None else password
        return f"postgresql://{user}:{secret}@{LOOPBACK}:{self.port}/{database}"


def exists(cluster: Cluster) -> bool:
    """Whether the cluster has been made."""
    return (cluster.data / "PG_VERSION").exists()


def create(cluster: Cluster) -> None:
    """Create the cluster's files, all or nothing: what an interrupted attempt has left is deleted by the next one.

    Raises ServerError.
    """
    partial = new_folder(cluster)
    secret = partial.with_name(f"{partial.name}.password")
    secret.touch(mode=0o600)
    secret.write_text(cluster.password)
    if cluster.install.account is not None:
        os.chown(secret, cluster.install.account.uid, cluster.install.account.gid)
    command = ["--pgdata", partial, "--username", SUPERUSER, "--pwfile", secret, "--auth", "scram-sha-256"]
    # --no-sync: syncing a thousand files takes longer than the rest, and the new cluster is still empty. After a power
    # cut in its first seconds `up --fresh` makes a new one. Later the server syncs everything that it commits.
    command += ["--encoding", "UTF8", "--no-locale", "--no-instructions", "--no-sync"]
    try:
        run(cluster.install, "initdb", [str(part) for part in command])
    finally:
        secret.unlink(missing_ok=True)
    partial.rename(cluster.data)


def new_folder(cluster: Cluster) -> Path:
    """An empty folder of the servers' account beside the data directory, to be renamed to it when it is complete."""
    partial = cluster.data.with_name(f"{cluster.data.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    if (account := cluster.install.account) is not None:
        os.chown(partial, account.uid, account.gid)
    return partial


def start(cluster: Cluster, log: IO[Any], options: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start the server on loopback TCP only, with password authentication."""
    settings = {
        "listen_addresses": LOOPBACK,
        "port": str(cluster.port),
        "unix_socket_directories": "",
        "timezone": "UTC",
        "log_timezone": "UTC",
        **SMALL,
        **(options or {}),
    }
    argv: list[str | Path] = [cluster.install.program("postgres"), "-D", cluster.data]
    for name, value in settings.items():
        argv += ["-c", f"{name}={value}"]
    # If this process dies, Postgres gets SIGINT, its fast shutdown, with which it still writes its checkpoint.
    return spawn(
        argv, env=_environment(), log=log, death_signal=signal.SIGINT, account=cluster.install.account, cwd=Path("/")
    )


def is_ready(cluster: Cluster, process: subprocess.Popen[bytes]) -> bool:
    """Whether this server process accepts connections, as the last line of its pid file says."""
    try:
        lines = (cluster.data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return lines[:1] == [str(process.pid)] and lines[PID_FILE_STATUS:] == ["ready   "]


def wait_until_ready(process: subprocess.Popen[bytes], cluster: Cluster, log: Path) -> None:
    """Return when the server answers; raise ServerError when it exits or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not is_ready(cluster, process):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerError("The embedded Postgres did not start.", "The end of its log:", tail(log, 10))
        time.sleep(0.01)


def shut_down(process: subprocess.Popen[bytes]) -> None:
    """Fast shutdown: open transactions are rolled back, committed data is on the disk. Kill it after STOP_SECONDS."""
    stop(process, signal.SIGINT, STOP_SECONDS)


def execute(cluster: Cluster, sql: str, database: str = "postgres", *, seconds: float | None = None) -> str:
    """Run SQL as the superuser and return psql's output: one row per line, unaligned.

    Raises ServerError, also where that takes longer than `seconds`.
    """
    options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]
    target = ["--host", LOOPBACK, "--port", str(cluster.port), "--username", SUPERUSER, "--dbname", database]
    return run(cluster.install, "psql", [*options, *target], stdin=sql, password=cluster.password, seconds=seconds)


def run(
    install: PostgresInstall,
    program: str,
    arguments: list[str],
    stdin: str = "",
    password: str | None = None,
    seconds: float | None = None,
) -> str:
    """Run one of Postgres's programs as the account that its servers have. Raises ServerError."""
    try:
        done = _run(install, program, arguments, stdin, password, seconds)
    except subprocess.TimeoutExpired:
        raise ServerError(f"Postgres's {program} took longer than {seconds:g} s.", "") from None
    if done.returncode != 0:
        said = (done.stdout if program == "initdb" else "") + done.stderr
        raise ServerError(f"Postgres's {program} failed.", "Its output:", said.splitlines()[-10:])
    return done.stdout


def _run(
    install: PostgresInstall,
    program: str,
    arguments: list[str],
    stdin: str,
    password: str | None,
    seconds: float | None,
) -> subprocess.CompletedProcess[str]:
    identity: dict[str, Any] = {}
    if install.account is not None:
        identity = {"user": install.account.uid, "group": install.account.gid, "extra_groups": []}
    return subprocess.run(
        [str(install.program(program)), *arguments],
        env=_environment() | ({"PGPASSWORD": password, "PGOPTIONS": WAIT_FOR_NOBODY} if password else {}),
        input=stdin,
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
        timeout=seconds,
        **identity,
    )


def _environment() -> dict[str, str]:
    # Nothing of this process's environment: the user's PGHOST or locale must not reach the embedded server.
    return {"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"}
