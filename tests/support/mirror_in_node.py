"""The TypeScript mirror in a process of its own, asked from a test (clients/typescript/test/stack/mirror.js)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from typing import Any

from support import node
from support.state_scene import Scene, until

ANSWER_SECONDS = 60


class NodeMirror:
    """What the process says of its mirror."""

    def __init__(self, process: Process) -> None:
        self._process, self._one = process, asyncio.Lock()

    async def do(self, name: str, **given: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        async with self._one:
            self._process.stdin.write(json.dumps({"do": name, **given}).encode() + b"\n")
            async with asyncio.timeout(ANSWER_SECONDS):  # wait_for would lose a cancellation now and then
                line = await self._process.stdout.readline()
        assert line, "the process has ended"
        return json.loads(line)

    async def is_current(self) -> bool:
        return bool((await self.do("look", users=[]))["current"])

    async def is_pro(self, user: str) -> bool:
        return user in (users := (await self.do("look", users=[user]))["users"]) and bool(users[user][1])

    async def equals(self, scene: Scene) -> bool:
        """Whether it is current and says the truth of everybody."""
        said = await self.do("look", users=list(scene.truth))
        true = {user: [value["version"], value["isPro"], value["reason"]] for user, value in scene.truth.items()}
        return bool(said["current"] and said["size"] == len(true) and said["users"] == true)


@contextlib.asynccontextmanager
async def mirror_in_node(url: str) -> AsyncIterator[NodeMirror]:
    """Not started yet."""
    kit = await asyncio.to_thread(node.typescript_kit)
    command = (str(node.wheel() / "bin" / "node"), "test/stack/mirror.js")
    process = await asyncio.create_subprocess_exec(
        *command, cwd=kit, env=node.environment({"ATLAS_NATS": url}), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=2**24
    )
    try:
        yield NodeMirror(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def becomes(ask: Any, seconds: float = 60, what: str = "") -> None:
    """Wait until an async question is answered with yes."""
    answers: list[bool] = []

    async def asking() -> None:
        while not await ask():
            await asyncio.sleep(0.05)
        answers.append(True)

    task = asyncio.create_task(asking())
    try:
        await until(lambda: answers or task.done(), seconds, what)
        await task
    finally:
        task.cancel()
