"""Runs a rebuild or a republication in its own process, because going through everything would slow down this process's
answers.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager


def rebuild_process(*, verify_only: bool) -> AbstractAsyncContextManager[Process]:
    """``python -m entitlements rebuild``."""
    return _process("rebuild", *(["--verify"] if verify_only else []))


def republish_process(*options: str) -> AbstractAsyncContextManager[Process]:
    """``python -m entitlements republish``."""
    return _process("republish", *options)


@asynccontextmanager
async def _process(*arguments: str) -> AsyncIterator[Process]:
    """A process whose standard output is NDJSON: progress, then the result.

    It inherits this process's environment. It is killed if it still runs when the block is left.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "entitlements", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
