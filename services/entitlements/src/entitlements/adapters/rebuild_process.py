"""A rebuild in a process of its own, because folding the whole ledger would slow down the reads of this one."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def rebuild_process(*, verify_only: bool) -> AsyncIterator[Process]:
    """``python -m entitlements rebuild``, whose standard output is NDJSON: progress, then the result.

    It has this process's environment. Whoever leaves the block before it ended kills it.
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
