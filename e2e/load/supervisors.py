"""What honcho and supervisord, the obvious supervisors of PyPI, do with two of a stack's demands: a part that dies is started
again, and nothing is left running when the supervisor itself is killed (`kill -9`).

    python e2e/load/supervisors.py

Both are installed with pip into a folder that is removed again. Ours stands in `tests/integration/stack/test_life_of_a_stack.py`,
with the same two demands and more. Memory is the supervisor's own, PSS.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

PACKAGES = ("honcho==2.0.0", "supervisor==4.3.0", "setuptools<81")  # supervisord imports pkg_resources
SECONDS = 8.0
PART = "import time; time.sleep(600)"


def installed(into: Path) -> None:
    """Raises CalledProcessError where the packages can't be had."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(into), *PACKAGES]
    subprocess.run(command, check=True, capture_output=True, timeout=300)


def honcho(home: Path, part: str) -> list[str]:
    (home / "Procfile").write_text(f'part: exec {sys.executable} -c "{PART}" {part}\nother: exec {sys.executable} -c "{PART}" {part}-other\n')
    return [sys.executable, "-m", "honcho", "-f", str(home / "Procfile"), "start"]


def supervisord(home: Path, part: str) -> list[str]:
    programs = "".join(
        f'[program:{name}]\ncommand={sys.executable} -c "{PART}" {part}{suffix}\nautorestart=true\nstartsecs=0\n'
        for name, suffix in (("part", ""), ("other", "-other"))
    )
    (home / "supervisord.conf").write_text(f"[supervisord]\nnodaemon=true\nlogfile={home}/log\npidfile={home}/pid\nchildlogdir={home}\n{programs}")
    return [sys.executable, "-m", "supervisor.supervisord", "-c", str(home / "supervisord.conf")]


def looked_at(command: Callable[[Path, str], list[str]], packages: Path) -> dict[str, object]:
    """What a supervisor does, tried with two parts: once one of them is killed, once the supervisor."""
    with _with_parts(command, packages) as (_, folder):
        [victim] = [part for part in _parts(folder) if part.cmdline()[-1] == folder]
        victim.kill()
        again = _until(lambda: any(part.cmdline()[-1] == folder and part.pid != victim.pid for part in _parts(folder)))
    with _with_parts(command, packages) as (supervisor, folder):
        memory = psutil.Process(supervisor.pid).memory_full_info().pss
        os.kill(supervisor.pid, signal.SIGKILL)
        supervisor.wait(10)
        left = 0 if _until(lambda: not _parts(folder)) else len(_parts(folder))
    return {"starts a part again": again, "parts left after its own death": left, "MB": round(memory / 1e6, 1)}


@contextlib.contextmanager
def _with_parts(command: Callable[[Path, str], list[str]], packages: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with tempfile.TemporaryDirectory() as folder, _running(command(Path(folder), folder), packages) as supervisor:
        try:
            assert _until(lambda: len(_parts(folder)) == 2), f"{command.__name__} starts no parts"
            yield supervisor, folder
        finally:
            supervisor.kill()
            for part in _parts(folder):
                part.kill()


@contextlib.contextmanager
def _running(command: list[str], packages: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def _parts(folder: str) -> list[psutil.Process]:
    """The parts that run: told apart by their last argument."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, IndexError):
            if process.cmdline()[-1] in (folder, f"{folder}-other") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        installed(Path(folder))
        print(json.dumps({each.__name__: looked_at(each, Path(folder)) for each in (honcho, supervisord)}, indent=1))


if __name__ == "__main__":
    main()
