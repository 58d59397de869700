"""Asks each part of a system, all at once and within a second or two, whether it works at all.

Only the standard library is used: `./atlas status` asks too, and is to answer at once.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

PATIENCE_SECONDS = 1.2
"""How long a part may take to say that it works. What is needed by nobody else is given longer before it counts."""
LONGER_SECONDS = 5.0
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""Postgres answers it with one byte before anything is signed in: protocol-message-formats, SSLRequest."""
BROKER_PORT, DATABASE_PORT = 4222, 5432
SILENT = "it does not answer"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Pulse:
    """What came of asking one part. ``wrong``: why it does not work, in a few words; empty where it does.

    ``live``: its process answers, whatever it says of itself. ``failing``: the readiness checks that it says fail.
    """

    wrong: str = ""
    live: bool = True
    failing: tuple[str, ...] = ()

    @property
    def silent(self) -> bool:
        """Whether something takes connections there and says nothing."""
        return self.wrong == SILENT


WELL = Pulse()


def take(asked: Mapping[str, Callable[[], Pulse]]) -> dict[str, Pulse]:
    """Each part's pulse, all taken at once."""
    if not asked:
        return {}
    with ThreadPoolExecutor(len(asked)) as pool:
        return dict(zip(asked, pool.map(lambda ask: ask(), asked.values()), strict=True))


def broker(url: str) -> Pulse:
    """NATS says who it is as soon as it is connected. Of several nodes one is enough."""
    greets = not url.startswith(("tls:", "ws:", "wss:"))
    return _any(addresses(url, BROKER_PORT), lambda known: known.recv(1) == b"I" if greets else True)


def database(dsn: str) -> Pulse:
    """Postgres answers the question for TLS before anybody has signed in. Of several hosts one is enough."""

    def answers(known: socket.socket) -> bool:
        known.sendall(SSL_REQUEST)
        return known.recv(1) in (b"S", b"N")

    return _any(addresses(dsn, DATABASE_PORT), answers)


def service(url: str, seconds: float = PATIENCE_SECONDS, path: str = "/readyz") -> Pulse:
    """A service's readiness; where that takes too long, whether it is alive."""
    try:
        with DIRECT.open(f"{url}{path}", timeout=seconds):
            return WELL
    except urllib.error.HTTPError as error:
        return _not_ready(error)
    except (OSError, http.client.HTTPException, ValueError) as error:
        pulse = Pulse(_why(error), live=False)
    if pulse.silent and path == "/readyz" and service(url, seconds / 4, "/healthz").live:
        return Pulse(SILENT, live=True)
    return pulse


def addresses(url: str, default_port: int) -> list[tuple[str, int]]:
    """Hosts and ports of a URL that may name several; none where it doesn't say (libpq can be told elsewhere)."""
    found = []
    for part in url.split(",") if "://" in url.partition(",")[2] else [url]:
        split = urlsplit(part)
        if "host=" in split.query:
            return []
        for place in split.netloc.rpartition("@")[2].split(","):
            host, _, port = place.rpartition(":") if place.rpartition(":")[2].isdigit() else (place, "", "")
            if host:
                found.append((host.strip("[]"), int(port or default_port)))
    return found


def _any(places: list[tuple[str, int]], answers: Callable[[socket.socket], bool]) -> Pulse:
    if not places:
        return WELL  # nobody knows where to ask; what asks it with its own means will tell
    pulses = take({f"{host}:{port}": _asking(host, port, answers) for host, port in places})
    return next((pulse for pulse in pulses.values() if not pulse.wrong), next(iter(pulses.values())))


def _asking(host: str, port: int, answers: Callable[[socket.socket], bool]) -> Callable[[], Pulse]:
    def ask() -> Pulse:
        try:
            with socket.create_connection((host, port), PATIENCE_SECONDS) as known:
                known.settimeout(PATIENCE_SECONDS)
                return WELL if answers(known) else Pulse("what answers there is something else")
        except OSError as error:
            return Pulse(_why(error), live=False)

    return ask


def _not_ready(error: urllib.error.HTTPError) -> Pulse:
    try:
        failing = tuple(map(str, json.load(error)["failing"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Pulse(f"it answers {error.code}")
    return Pulse(", ".join(failing) or f"it answers {error.code}", failing=failing)


def _why(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return SILENT
    if isinstance(reason, ConnectionRefusedError):
        return "nothing listens there"
    return str(getattr(reason, "strerror", None) or reason or type(reason).__name__)
