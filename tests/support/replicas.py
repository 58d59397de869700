"""Further replicas of a running stack's services, of this version or another."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from atlas_localstack.servers.ports import LOOPBACK, free_port
from atlas_localstack.stack.plan import MODULES
from support.stack import Stack, eventually

READY_SECONDS = 90.0
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Replica:
    """One more process of a service, over the same broker and database."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False


@contextlib.contextmanager
def further_replica(stack: Stack, service: str, **environ: str) -> Iterator[Replica]:
    """With the environment of the stack's own one, but for ``environ``; not yet ready. ``PORT`` chooses its port."""
    port = int(environ.get("PORT") or free_port())
    given = psutil.Process(stack.pid(service)).environ() | {"PORT": str(port)} | environ
    with tempfile.NamedTemporaryFile(prefix=f"{service}-", suffix=".log") as log:
        process = subprocess.Popen([sys.executable, "-m", MODULES[service]], env=given, stdout=log, stderr=log)
        try:
            yield Replica(f"http://{LOOPBACK}:{port}", Path(log.name), process)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_until_ready(*replicas: Replica) -> None:
    """They start beside each other."""
    eventually(lambda: all(replica.ready() for replica in replicas), READY_SECONDS, "further replicas ready")
