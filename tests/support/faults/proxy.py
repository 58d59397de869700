"""A TCP proxy that misbehaves on command: late, silent, half closed, reset, or cut after so many bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

CHUNK = 65_536
LOOPBACK = "127.0.0.1"
# SO_LINGER with no time: close() sends RST instead of FIN.
AT_ONCE = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class _Pair:
    """One connection through the proxy: the client's half and the server's."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    doomed: bool = False
    """Bytes of it were swallowed: it can't be healed, only closed."""

    def reset(self) -> None:
        for writer in (self.client, self.server):
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            writer.transport.abort()


@dataclass(eq=False)
class Link:
    """One listening port and where it leads. All methods but the constructor run in the proxies' loop."""

    name: str
    port: int
    target: int
    latency: float = 0.0
    """Seconds added to each chunk, in either direction."""
    refusing: bool = False
    swallowing: bool = False
    cut_after: int | None = None
    """So many bytes more towards the client, then the connection that carries them is reset."""
    carried: int = 0
    """Bytes of all connections, both ways."""
    connections: int = 0
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _pairs: set[_Pair] = field(default_factory=set)

    async def listen(self) -> asyncio.Server:
        self._open.set()
        return await asyncio.start_server(self._accept, LOOPBACK, self.port)

    # --- Faults -------------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Back to normal; what can't go on is reset."""
        self.latency, self.refusing, self.swallowing, self.cut_after = 0.0, False, False, None
        self._open.set()
        for pair in [pair for pair in self._pairs if pair.doomed]:
            pair.reset()

    def reset_all(self) -> None:
        """Every connection ends with RST; new ones are welcome."""
        for pair in list(self._pairs):
            pair.reset()

    def refuse(self) -> None:
        """Every connection ends, and new ones are reset at once."""
        self.refusing = True
        self.reset_all()

    def stall(self) -> None:
        """Nothing gets through, nothing is lost: it flows again when the link heals."""
        self._open.clear()

    def swallow(self) -> None:
        """Bytes vanish without a word; both ends believe in the connection until it heals."""
        self.swallowing = True

    def half_close(self) -> None:
        """The servers' ends say goodbye; the clients may still talk, and are heard."""
        for pair in list(self._pairs):
            with contextlib.suppress(OSError, RuntimeError):
                pair.client.write_eof()

    # --- Carrying -----------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self.refusing:
                raise OSError
            back, out = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:  # a server that is away refuses
            _Pair(writer, writer).reset()
            return
        pair = _Pair(writer, out)
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(pair, reader, out, to_client=False))
                pumps.create_task(self._pump(pair, back, writer, to_client=True))
        except* (OSError, RuntimeError):
            pass
        finally:
            self._pairs.discard(pair)
            pair.reset()

    async def _pump(
        self, pair: _Pair, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, to_client: bool
    ) -> None:
        while chunk := await source.read(CHUNK):
            if self.latency:
                await asyncio.sleep(self.latency)
            await self._open.wait()
            if self.swallowing:
                pair.doomed = True
            if pair.doomed:
                continue
            if to_client and self.cut_after is not None:
                chunk, self.cut_after = chunk[: self.cut_after], self.cut_after - len(chunk)
                if self.cut_after <= 0:
                    self.cut_after = None
                    sink.write(chunk)
                    await sink.drain()
                    raise ConnectionResetError
            self.carried += len(chunk)
            sink.write(chunk)
            await sink.drain()
        await self._open.wait()
        if sink.can_write_eof():
            sink.write_eof()


class Proxies:
    """All links of a run, in a thread with a loop of its own, so that whoever tests may block."""

    def __init__(self, links: Mapping[str, Link]) -> None:
        self.links = dict(links)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> Proxies:
        self._thread.start()
        self._servers = [self._run(link.listen()) for link in self.links.values()]
        return self

    def __exit__(self, *_: object) -> None:
        async def close() -> None:
            for server in self._servers:
                server.close()
            for link in self.links.values():
                link.heal()
                link.reset_all()
            await asyncio.sleep(0.05)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self._run(close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def call(self, link: str, method: str) -> None:
        """Make a link misbehave, or heal it."""
        self._loop.call_soon_threadsafe(getattr(self.links[link], method))

    def set(self, link: str, name: str, value: Any) -> None:
        """Latency, or after how many bytes to cut."""
        self._loop.call_soon_threadsafe(setattr, self.links[link], name, value)

    def heal(self) -> None:
        """All links back to normal."""
        for name in self.links:
            self.call(name, "heal")

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
