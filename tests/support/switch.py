"""A load balancer for tests: one address, behind it now this process of a service, now that one."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from atlas_localstack.servers.ports import LOOPBACK


class Switch:
    """Connections go to the process that is behind it when they are made, and stay there."""

    def __init__(self) -> None:
        self._listening = socket.create_server((LOOPBACK, 0))
        self._behind = 0
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://{LOOPBACK}:{self.port}"

    def to(self, port: int) -> None:
        self._behind = port

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                try:
                    server = socket.create_connection((LOOPBACK, self._behind), timeout=10)
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=_pump, args=ends, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def switch() -> Iterator[Switch]:
    made = Switch()
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        thread.join(10)
