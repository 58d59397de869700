"""A transaction pooler, as far as a client notices: PgBouncer refuses startup parameters that it doesn't know."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from atlas_devstack.servers.ports import LOOPBACK

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
ALLOWED = {"user", "database", "application_name", "client_encoding", "DateStyle", "TimeZone"}


@dataclass
class Pooler:
    url: str
    startup: list[dict[str, str]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    """The types of what clients sent after that: Q is a whole statement, P a prepared one."""


@contextmanager
def pooler(dsn: str) -> Iterator[Pooler]:
    server = urlsplit(dsn)
    with socket.create_server((LOOPBACK, 0)) as listener:
        netloc = f"{server.netloc.rpartition('@')[0]}@{LOOPBACK}:{listener.getsockname()[1]}"
        seen = Pooler(server._replace(netloc=netloc).geturl())

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_serve, args=(client, server.hostname, server.port, seen), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield seen
        listener.shutdown(socket.SHUT_RDWR)


def _serve(client: socket.socket, host: str, port: int, seen: Pooler) -> None:
    with contextlib.suppress(OSError, EOFError), client, socket.create_connection((host, port)) as server:
        length, code = struct.unpack("!ii", _exactly(client, 8))
        while code in {SSL_REQUEST, GSS_REQUEST}:
            client.sendall(b"N")
            length, code = struct.unpack("!ii", _exactly(client, 8))
        rest = _exactly(client, length - 8)
        words = [word.decode() for word in rest.rstrip(b"\0").split(b"\0")]
        parameters = dict(zip(words[::2], words[1::2], strict=True))
        seen.startup.append(parameters)
        if unknown := set(parameters) - ALLOWED:
            told = f"SFATAL\0C08P01\0Munsupported startup parameter: {unknown}\0\0".encode()
            client.sendall(b"E" + struct.pack("!i", len(told) + 4) + told)
            return
        server.sendall(struct.pack("!ii", length, code) + rest)
        threading.Thread(target=_pump, args=(server, client), daemon=True).start()
        while True:
            head = _exactly(client, 5)
            seen.messages.append(head[:1].decode())
            server.sendall(head + _exactly(client, struct.unpack("!i", head[1:])[0] - 4))


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)


def _exactly(source: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        data = source.recv(count - len(received))
        if not data:
            raise EOFError
        received += data
    return received
