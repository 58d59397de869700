"""Loopback TCP ports: find a free one, tell whether one is taken and by whom."""

from __future__ import annotations

import contextlib
import random
import socket

import psutil

LOOPBACK = "127.0.0.1"
# Operating systems give outgoing connections ports from 32768 (Linux) or 49152 (macOS) upwards, so none of these.
NEVER_EPHEMERAL = range(20_000, 32_000)


def free_port() -> int:
    """A port that nothing listens on right now, and that no outgoing connection will take while a server restarts."""
    while not is_free(port := random.choice(NEVER_EPHEMERAL)):
        pass
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # Servers set SO_REUSEADDR; without it a port in TIME_WAIT would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def accepts(port: int) -> bool:
    """Whether something answers on this loopback port."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=0.5):
        return True
    return False


def listener(port: int) -> str | None:
    """The program that listens on a port, as "name (pid 123)"; None if the operating system doesn't show it."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            here = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if here and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return None
