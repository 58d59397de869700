"""Webhooks at a steady rate, and how soon the gateway shows what they bought; the bytes are prepared beforehand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from webhook_events import event_body, request

from atlas_localstack.servers.ports import LOOPBACK

LOOK_SECONDS = 0.005
"""Pause between two looks of one buyer."""


class Line(asyncio.Protocol):
    """A keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answered: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    async def ask(self, message: bytes) -> bytes:
        """The whole answer. Raises ConnectionError."""
        self._answered = asyncio.get_running_loop().create_future()
        self.transport.write(message)
        return await self._answered

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        start = head.find(b"content-length: ") + 16
        if not separator or len(body) < int(head[start : start + 8].split(b"\r", 1)[0]):
            return
        answer, self._buffer = self._buffer, b""
        assert self._answered
        self._answered.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answered and not self._answered.done():
            self._answered.set_exception(error or ConnectionError("closed early"))


@dataclass
class Lines:
    """Connections to one port; as many as requests are under way."""

    port: int
    idle: list[Line] = field(default_factory=list)

    async def ask(self, message: bytes) -> bytes:
        line = None
        while self.idle and (line is None or line.transport.is_closing()):  # a server closes what nobody used for a while
            line = self.idle.pop()
        if line is None or line.transport.is_closing():
            _, line = await asyncio.get_running_loop().create_connection(Line, LOOPBACK, self.port)
        answer = await line.ask(message)
        self.idle.append(line)
        return answer


@dataclass
class Pace:
    """Milliseconds from sending a webhook to its answer, and to the first look at the gateway that shows Pro."""

    answered: list[float] = field(default_factory=list)
    visible: list[float] = field(default_factory=list)
    not_ok: int = 0


def quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


async def paced(
    port: int, secret: str, rate: float, first: int, count: int, *, look: Callable[[int], bytes] | None = None, gateway: int = 0, every: int = 1
) -> Pace:
    """A webhook every 1/rate seconds, about users ``first`` and following. With ``look`` (the request by which a user's
    buyer looks) the buyer of every ``every``-th one looks at the gateway until it shows Pro.
    """
    run = f"{time.time_ns():x}"
    webhooks = [request(event_body(n, run), secret, f"{LOOPBACK}:{port}") for n in range(first, first + count)]
    looks = {n: look(first + n) for n in range(0, count, every)} if look else {}
    lines, lookers, pace = Lines(port), Lines(gateway), Pace()

    async def one(number: int) -> None:
        sent = time.perf_counter()
        answer = await lines.ask(webhooks[number])
        pace.answered.append((time.perf_counter() - sent) * 1000)
        pace.not_ok += not answer.startswith(b"HTTP/1.1 200")
        if number not in looks:
            return
        while b'"isPro":true' not in await lookers.ask(looks[number]):
            await asyncio.sleep(LOOK_SECONDS)
        pace.visible.append((time.perf_counter() - sent) * 1000)

    tasks, start = [], time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.gather(*tasks)
    return pace
