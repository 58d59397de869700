"""The server that all four services share, around an application that tests can hold up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from starlette.types import ASGIApp

from atlas_devstack.servers.ports import LOOPBACK, free_port
from atlas_kit import http_protocol
from atlas_kit.http_app import with_edge
from atlas_kit.http_connections import Connections
from atlas_kit.http_protocol import bounded_protocol
from support.stack import eventually

MOST = 8
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"


@dataclass
class Served:
    """A server whose ``/slow`` answers when it is let go."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Of the last request, as they stand once its body is there."""
    go: threading.Event = field(default_factory=threading.Event)
    among: Connections = field(default_factory=lambda: Connections(MOST, bodies_bytes=100_000))

    async def app(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return
        while scope["path"] != "/early" and (await receive()).get("more_body"):
            pass
        self.asked.append(scope["path"])
        self.headers = list(scope["headers"])
        if scope["path"] == "/slow":
            while not self.go.is_set():
                await asyncio.sleep(0.01)
        body = b"x" * (8_000_000 if scope["path"] == "/large" else 2)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    def connect(self, *sent: bytes) -> socket.socket:
        line = socket.create_connection((LOOPBACK, self.port), timeout=10)
        for part in sent:
            line.sendall(part)
        return line

    @property
    def open(self) -> int:
        return len(self.among._open)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(http_protocol, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(http_protocol, "FLUSH_SECONDS", 0.5)
    service = Served(port=free_port())
    with serving(with_edge(service.app), service.port, service.among):
        try:
            yield service
        finally:
            service.go.set()


@contextlib.contextmanager
def serving(app: ASGIApp, port: int, among: Connections, *, grace_seconds: int = 2) -> Iterator[uvicorn.Server]:
    """``app`` behind the shared protocol, in a thread."""
    config = uvicorn.Config(
        app, host=LOOPBACK, port=port, http=bounded_protocol(among), ws="none",
        log_config=None, lifespan="off", timeout_keep_alive=60, timeout_graceful_shutdown=grace_seconds,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started, 10)
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join(10)


def heard(line: socket.socket) -> bytes:
    """Everything up to the end of the connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := line.recv(65_536):
            received += data
    return received


def answered(line: socket.socket) -> bytes:
    """The first answer's head."""
    received = b""
    while b"\r\n\r\n" not in received and (data := line.recv(65_536)):
        received += data
    return received


def still_open(line: socket.socket) -> bool:
    line.settimeout(0.05)
    try:
        return line.recv(1) != b""
    except TimeoutError:
        return True
    finally:
        line.settimeout(10)
