"""Runs a rebuild in its own process, because folding the whole ledger would slow down this process's answers."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def rebuild_process(*, verify_only: bool) -> AsyncIterator[Process]:
    """``python -m entitlements rebuild``, whose standard output is NDJSON: progress, then the result.

    It inherits this process's environment. It is killed if it still runs when the block is left.
    """
    arguments = ["rebuild", *(["--verify"] if verify_only else [])]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "entitlements", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
