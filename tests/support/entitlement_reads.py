"""An entitlements service that answers reads as a test tells it to, in front of it the gateway's own way of asking."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from account_gateway.adapters.entitlement_reads import EntitlementReads
from account_gateway.adapters.lean_client import LeanClient
from atlas_contracts.callers import ENTITLEMENT
from atlas_contracts.many_reads import MANY_ENTITLEMENTS
from atlas_kit.http.errors import AtlasError
from atlas_localstack.servers.ports import LOOPBACK
from support.identity import mint, verifier

VERIFIER = verifier("entitlements")
MANY, ONE = MANY_ENTITLEMENTS, ENTITLEMENT


class Seen(BaseModel):
    userId: str
    told: int = 0


@dataclass
class Asked:
    """A request that the service received."""

    path: str
    subject: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def users(self) -> list[str]:
        return list(self.body["userIds"])


Answer = tuple[int, Any] | None
"""Status and body; None cuts the connection."""


def records(users: list[str], **more: Any) -> Answer:
    return 200, {"entitlements": [{"userId": user, **more} for user in users]}


def error(status: int, code: str) -> Answer:
    return status, {"ok": False, "error": {"code": code, "message": "Its words.", "recovery": "retry"}}


async def well(asked: Asked) -> Answer:
    if asked.path == MANY:
        return records(asked.users)
    return 200, {"userId": asked.subject}


@dataclass
class Service:
    """The other side; ``behave`` says what it answers, ``held`` when."""

    reads: EntitlementReads
    behave: Callable[[Asked], Awaitable[Answer]] = well
    asked: list[Asked] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def held(self, asked: Asked) -> Answer:
        await self.go.wait()
        return await well(asked)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
                token = next(line for line in head.split("\r\n") if line.startswith("authorization")).split(": ")[1]
                body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
                asked = Asked(head.split(" ")[1], VERIFIER.verify(token).subject, headers, body)
                self.asked.append(asked)
                answer = await self.behave(asked)
                if answer is None:
                    writer.transport.abort()
                    return
                payload = json.dumps(answer[1]).encode()
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\nretry-after: 3\r\n\r\n%b" % (answer[0], len(payload), payload))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def until_asked(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.asked) < count:
                await asyncio.sleep(0.001)

    def read(self, user: str) -> asyncio.Task[Seen]:
        return asyncio.create_task(self.reads.read(user, Seen))


@asynccontextmanager
async def serving() -> AsyncIterator[Service]:
    service = Service(None)  # type: ignore[arg-type]  # made below, when the port is known
    listening = await asyncio.start_server(service.accept, LOOPBACK, 0)
    client = LeanClient(f"http://{LOOPBACK}:{listening.sockets[0].getsockname()[1]}", "entitlements", mint("account-gateway"))
    service.reads = EntitlementReads(client)
    try:
        yield service
    finally:
        service.go.set()
        await client.close()
        listening.close()


async def outcome(task: asyncio.Task[Seen]) -> str:
    """Whose record it got, or the error's class."""
    try:
        return (await task).userId
    except AtlasError as error:
        return type(error).__name__
