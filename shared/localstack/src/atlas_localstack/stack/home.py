"""ATLAS_HOME: the folder with everything that one stack stores."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from atlas_localstack.servers import binaries
from atlas_localstack.servers.errors import ServerError
from atlas_operator import local
from atlas_operator.local import atlas_home, lock_file

# Other accounts may enter, but not list it: when we are root, Postgres runs as `nobody` and must reach its own folder.
TRAVERSABLE = 0o711
PRIVATE = 0o700


@dataclass(frozen=True)
class Home:
    """The folder of one stack."""

    path: Path

    @property
    def stack_file(self) -> Path:
        """Addresses and credentials of the running stack, for programs."""
        return self.path / "stack.json"

    @property
    def state_file(self) -> Path:
        """The state that the supervisor writes for the command line."""
        return self.path / "run" / "state.json"

    @property
    def processes_file(self) -> Path:
        """Process ids with their start times, so that the next start can stop processes that a crash left."""
        return self.path / "run" / "processes.json"

    @property
    def secrets_file(self) -> Path:
        """Generated passwords and keys, kept between runs."""
        return self.path / "secrets.json"

    @property
    def keys(self) -> Path:
        """The services' keys, kept between runs (`./atlas keys`)."""
        return self.path / "keys"

    @property
    def ports_file(self) -> Path:
        """The ports of broker and database, kept between runs where they stay free."""
        return self.path / "ports.json"

    @property
    def operator_file(self) -> Path:
        """The secret with which the command line calls the running services as the operator."""
        return self.path / "run" / "operator.json"

    @property
    def desk_link_file(self) -> Path:
        """The link that signs in at the support desk once; the desk writes it, and replaces it when it was used."""
        return self.path / "run" / "desk.json"

    @property
    def lock_file(self) -> Path:
        """Held by the running supervisor."""
        return lock_file(self.path)

    @property
    def broker_config(self) -> Path:
        return self.path / "run" / "nats.conf"

    @property
    def broker_store(self) -> Path:
        return self.path / "data" / "nats"

    def node_config(self, node: str) -> Path:
        """The configuration file of one node of a broker cluster."""
        return self.path / "run" / f"{node}.conf"

    def node_store(self, number: int) -> Path:
        """The store of one node of a broker cluster. A cluster can't go on with the store of a single server."""
        return self.path / "data" / f"nats-node-{number}"

    @property
    def primary_file(self) -> Path:
        """Which of two Postgres servers is the primary."""
        return self.path / "data" / "primary.json"

    @property
    def promotion_file(self) -> Path:
        """What `./atlas promote` asks of the supervisor, and what that answers."""
        return self.path / "run" / "promotion.json"

    @property
    def sandbox_data(self) -> Path:
        return self.path / "data" / "sandbox"

    def log(self, part: str) -> Path:
        """The log file of one part."""
        return self.path / "logs" / f"{part}.log"

    def create(self) -> None:
        """Make the folders."""
        for folder, mode in (("", TRAVERSABLE), ("data", TRAVERSABLE), ("logs", PRIVATE), ("run", PRIVATE)):
            (self.path / folder).mkdir(parents=True, exist_ok=True)
            (self.path / folder).chmod(mode)

    def cluster(self, server: str = "postgres") -> Path:
        """Postgres's data directory: here, or where `nobody` can reach it when we are root in a closed folder."""
        if os.geteuid() == 0 and not binaries.open_to_others(self.path):
            return self._elsewhere() / server
        return self.path / "data" / server

    def _elsewhere(self) -> Path:
        name = hashlib.sha256(str(self.path).encode()).hexdigest()[:16]
        folder = binaries.ROOT_STORE / name
        folder.mkdir(parents=True, exist_ok=True)
        for part in (binaries.ROOT_STORE, folder):
            part.chmod(0o755)
        return folder

    def wipe(self) -> None:
        """Delete all data and logs; secrets, keys and ports stay."""
        shutil.rmtree(self.path / "data", ignore_errors=True)
        shutil.rmtree(self.path / "logs", ignore_errors=True)
        if os.geteuid() == 0 and self.path.exists() and not binaries.open_to_others(self.path):
            shutil.rmtree(self._elsewhere(), ignore_errors=True)


def find(environ: Mapping[str, str]) -> Home:
    """The stack's folder: ATLAS_HOME, else `.atlas` in the workspace."""
    return Home(atlas_home(environ))


def take(home: Home) -> IO[str] | None:
    """Take the stack's lock; it is held while the returned file is open. None when another supervisor holds it.

    Raises ServerError when the folder can't be used.
    """
    try:
        home.create()
    except OSError as error:
        raise ServerError(
            f"The folder {home.path} cannot be used: {error.strerror}.", "Set ATLAS_HOME to one you can write to."
        ) from error
    lock = home.lock_file.open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def is_running(home: Home) -> bool:
    """Whether a supervisor runs for this folder."""
    return local.is_running(home.path)
