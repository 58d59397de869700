"""A database cluster as a first `./atlas up` leaves it, made once and copied into each new stack's home.

initdb and both services' migrations take a third of a first start's processor time. What is copied has roles, databases
and tables and no row. `tests/integration/stack/test_life_of_a_stack.py` starts from nothing.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from atlas_kit.storage import migrations
from atlas_localstack.servers import binaries, database
from atlas_localstack.servers.ports import free_port
from atlas_localstack.stack import roles
from atlas_localstack.stack.home import Home
from atlas_operator.files import write_json

WORKSPACE = Path(__file__).resolve().parents[2]
KEPT = WORKSPACE / ".atlas-prepared"
DECIDING = (
    "services/*/src/*/migrations/**/*.py",
    "shared/kit/src/atlas_kit/storage/migrations.py",
    "shared/localstack/src/atlas_localstack/servers/*.py",
    "shared/localstack/src/atlas_localstack/stack/roles.py",
    "requirements/dev.lock",
)
"""What is in the cluster depends on these files alone."""


def lay_into(folder: Path) -> None:
    """Put the cluster and its superuser's password into a new home; the rest of its secrets its first start makes."""
    made, home = _made(), Home(folder)
    home.create()
    _copy(made / "postgres", home.cluster())
    write_json(home.secrets_file, json.loads((made / "secrets.json").read_text()))


@functools.cache
def _made() -> Path:
    """The folder with the cluster, kept between runs while nothing of it changes; one process makes it."""
    KEPT.mkdir(mode=0o700, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = KEPT / _fingerprint()
        if not folder.exists():
            for old in KEPT.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
            _make(folder)
        return folder


def _fingerprint() -> str:
    digest = hashlib.sha256(str(binaries.postgres()).encode())
    for path in sorted({path for pattern in DECIDING for path in WORKSPACE.glob(pattern)}):
        digest.update(f"{path.relative_to(WORKSPACE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _make(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="atlas-prepared-") as name:
        place = Path(name)
        place.chmod(0o755)  # as root, Postgres runs as `nobody` and has to get in
        cluster = database.Cluster(binaries.postgres(), place / "postgres", free_port(), secrets.token_hex(16))
        _fill(cluster, place / "postgres.log")
        partial = folder.with_suffix(".partial")
        partial.mkdir(mode=0o700)
        write_json(partial / "secrets.json", {"postgres_admin": cluster.password})
        _copy(cluster.data, partial / "postgres")
        partial.rename(folder)


def _fill(cluster: database.Cluster, log: Path) -> None:
    database.create(cluster)
    with log.open("ab") as sink:
        process = database.start(cluster, sink, database.FORGETFUL)
    try:
        database.wait_until_ready(process, cluster, log)
        passwords = {role: secrets.token_hex(16) for role in roles.ROLES}  # each start of a stack sets its own
        database.execute(cluster, roles.provision(passwords))
        for name in roles.DATABASES:
            owner = roles.owner(name)
            migrations.upgrade(cluster.dsn(name, owner, passwords[owner]), name)
    finally:
        database.shut_down(process)


def _copy(source: Path, target: Path) -> None:
    # Not shutil.copytree: as root the files are `nobody`'s and have to stay so; and half of the log's bytes are zeros.
    options = ["-r", "--preserve=mode,ownership", "--sparse=always"] if sys.platform == "linux" else ["-a"]
    subprocess.run(["cp", *options, source, target], check=True)
