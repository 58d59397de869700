"""Asks a part over HTTP whether it is ready. It uses no HTTP library, to keep the supervisor's memory small."""

from __future__ import annotations

import asyncio
import contextlib

from atlas_localstack.servers.ports import LOOPBACK

TIMEOUT_SECONDS = 2.0
ENOUGH_BYTES = 4096


async def ask(port: int, path: str = "/readyz") -> tuple[bool, str]:
    """Whether the answer's status is 200, and if not, why, in a few words."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            status, body = await _get(port, path)
    except TimeoutError:
        return False, "does not answer"
    except (OSError, ValueError, IndexError):
        return False, "not listening yet"
    return status == "200", "" if status == "200" else f"{path} says {status}: {body[:200]}"


async def _get(port: int, path: str) -> tuple[str, str]:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while len(answer) < ENOUGH_BYTES and (chunk := await reader.read(ENOUGH_BYTES)):
            answer += chunk
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    head, _, body = answer.decode(errors="replace").partition("\r\n\r\n")
    return head.split(" ")[1], body.strip()
