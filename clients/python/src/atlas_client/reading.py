"""One reading of the bucket over one connection: all entries, then changes, until anything is amiss.

nats-py's own watcher and its reconnecting are not used: its ordered consumer doesn't notice when the making of its
successor fails, and it resumes in a bucket that was made anew as if that were the old one. Here a reading that is in
doubt ends, and the next one begins with all entries over a new connection. The consumer is a pull consumer, because its
reader is told at once when an administrator deletes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from atlas_client.clock import now
from atlas_client.entries import Entries
from atlas_client.state import EntitlementState
from atlas_client.tasks import end

BUCKET = "ENTITLEMENT_STATE"
STREAM = f"KV_{BUCKET}"
PREFIX = f"$KV.{BUCKET}."
CONNECT_SECONDS = 10.0
ASK_SECONDS = 3.0
CHECK_SECONDS = 2.0
"""How often the broker is asked whether anything is missing here."""
AGAIN_SECONDS = 0.1
CATCH_UP_SECONDS = 0.5
"""How long one check waits for messages that are on their way."""
STUCK_CHECKS = 6
"""After so many checks in a row without a message, while some are due, the reading has failed."""
CLOSE_SECONDS = 2.0
BATCH = 1_000
EXPIRES_SECONDS = 60
INACTIVE_SECONDS = 60
"""The broker removes a consumer that nobody has asked for so long."""
ORIGIN_SECONDS = 5.0
"""The bucket may be a copy in an account of the readers. It hears from its origin every second."""
NANOSECONDS = 1_000_000_000


class Interrupted(Exception):
    """The reading can't be relied on any more; the message says why."""


class Reading:
    """``confirm(moment)`` is called whenever everything that the bucket held at that moment is in ``entries``, and
    ``confirm(None)`` as soon as that can't be relied on any more.
    """

    def __init__(
        self, entries: Entries, tell: Callable[[EntitlementState], None], confirm: Callable[[float | None], None]
    ) -> None:
        self._entries, self._tell, self._confirm = entries, tell, confirm
        self._connection = Client()
        self._closed = asyncio.Event()
        self._consumer = f"mirror_{secrets.token_hex(8)}"
        self._inbox = ""
        self._created = ""
        self._position = 0
        """Sequence in the stream of the last message taken."""
        self._delivered = 0
        """Messages of our consumer taken. The broker numbers them: a gap is a loss."""
        self._asked_for = 0
        self._complete = False

    async def run(self, servers: Sequence[str], inbox_prefix: str) -> None:
        """Read until something is amiss, and raise what that was: Interrupted, nats' errors, OSError, TimeoutError."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._connect(servers, inbox_prefix)
            self._created = str((await self._ask(f"STREAM.INFO.{STREAM}"))["created"])
            self._inbox = self._connection.new_inbox()
            messages = await self._connection.subscribe(self._inbox)
            await self._ask(f"CONSUMER.CREATE.{STREAM}.{self._consumer}", self._consumer_wanted())
            self._entries.begin()
            await _first_of(self._take_all(messages), self._check_always(), self._closed.wait())
            raise Interrupted("the connection has ended")
        finally:
            self._confirm(None)
            await self._close()

    async def _connect(self, servers: Sequence[str], inbox_prefix: str) -> None:
        async def closed() -> None:
            self._closed.set()

        async def failed(_: Exception) -> None:
            """What matters ends the connection or an answer; nats-py would print the rest."""

        await self._connection.connect(
            list(servers),
            name="atlas-entitlement-mirror",
            inbox_prefix=inbox_prefix.encode(),
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0.1,  # type: ignore[arg-type]  # nats-py says int and sleeps for it
            connect_timeout=CONNECT_SECONDS,  # type: ignore[arg-type]  # nats-py says int and waits for it
            error_cb=failed,
            closed_cb=closed,
            disconnected_cb=closed,
        )

    def _consumer_wanted(self) -> dict[str, Any]:
        config = {
            "name": self._consumer,
            "deliver_policy": "last_per_subject",
            "filter_subject": f"{PREFIX}>",
            "ack_policy": "none",
            "max_deliver": 1,
            "replay_policy": "instant",
            "inactive_threshold": INACTIVE_SECONDS * NANOSECONDS,
            "num_replicas": 1,
            "mem_storage": True,
        }
        return {"stream_name": STREAM, "config": config, "action": "create"}

    # --- Messages ----------------------------------------------------------------------------------------------------

    async def _take_all(self, messages: Subscription) -> None:
        await self._pull()
        async for message in messages.messages:
            if message.reply.startswith("$JS.ACK."):
                self._take(message)
            elif self._is_over(message):
                self._asked_for = 0
            if self._asked_for <= 0:
                await self._pull()

    async def _pull(self) -> None:
        self._asked_for = BATCH
        wanted = json.dumps({"batch": BATCH, "expires": EXPIRES_SECONDS * NANOSECONDS}).encode()
        await self._connection.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._consumer}", wanted, reply=self._inbox
        )

    def _take(self, message: Msg) -> None:
        parts = message.reply.split(".")
        # $JS.ACK.<stream>.<consumer>.<tries>.<sequence>.<number>.…, or with domain and account before the stream.
        sequence, number = (int(part) for part in (parts[5:7] if len(parts) == 9 else parts[7:9]))
        if number != self._delivered + 1:
            raise Interrupted(f"message {self._delivered + 1} of the bucket was lost on its way")
        self._delivered, self._asked_for = number, self._asked_for - 1
        headers = message.headers or {}
        removed = "KV-Operation" in headers or "Nats-Marker-Reason" in headers
        state = self._entries.take(message.subject.removeprefix(PREFIX), None if removed else message.data)
        self._position = sequence
        if state is not None:
            self._tell(state)

    def _is_over(self, message: Msg) -> bool:
        """Whether the broker has ended our request for messages in the ordinary way. Raises Interrupted otherwise."""
        headers = message.headers or {}
        status, says = headers.get("Status", ""), headers.get("Description", "")
        if status == "100":
            return False
        if status == "408" or (status == "409" and says in {"Batch Completed", "Message Size Exceeds MaxBytes"}):
            return True
        raise Interrupted(f"the broker says: {status} {says}".strip())

    # --- Whether anything is missing ---------------------------------------------------------------------------------

    async def _check_always(self) -> None:
        stuck = 0
        while True:
            moment, position = now(), self._position
            stream = await self._ask(f"STREAM.INFO.{STREAM}")
            if stream["created"] != self._created:
                raise Interrupted("the bucket was made anew")
            state = stream["state"]
            caught_up = await self._has_caught_up(state["last_seq"])
            whole = caught_up and _has_all_of_its_origin(stream)
            if whole:
                self._compare(state)
                self._confirm(moment)
            stuck = 0 if caught_up or self._position > position else stuck + 1
            if stuck >= STUCK_CHECKS:
                raise Interrupted("the broker holds back messages")
            await asyncio.sleep(CHECK_SECONDS if whole else AGAIN_SECONDS)

    async def _has_caught_up(self, last: int) -> bool:
        """Whether everything up to ``last`` was taken."""
        waiting_until = now() + CATCH_UP_SECONDS
        while self._position < last and now() < waiting_until:  # noqa: ASYNC110 - see below
            await asyncio.sleep(0.01)  # setting an event for each of 10,000 messages would cost more
        if self._position >= last:
            return True
        # The last messages may have been deleted: then they will never come, and our consumer has none left.
        consumer = await self._ask(f"CONSUMER.INFO.{STREAM}.{self._consumer}")
        return bool(consumer["num_pending"] == 0 and consumer["delivered"]["consumer_seq"] <= self._delivered)

    def _compare(self, state: dict[str, Any]) -> None:
        """At the end of the bucket: drop what it has no more, and see that it has not lost anything unsaid."""
        if not self._complete:
            self._complete = True
            for gone in self._entries.end():
                self._tell(gone)
        # A purge or an expiry leaves no marker. When nothing newer has come, the numbers of keys are of one moment.
        if self._position <= state["last_seq"] and state.get("num_subjects", 0) != self._entries.seen:
            raise Interrupted("entries have left the bucket without a word")

    # --- The connection ----------------------------------------------------------------------------------------------

    async def _ask(self, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        wanted = json.dumps(body).encode() if body else b""
        answer = await self._connection.request(f"$JS.API.{what}", wanted, timeout=ASK_SECONDS)
        told: dict[str, Any] = json.loads(answer.data)
        if "error" in told:
            raise Interrupted(f"the broker says: {told['error'].get('description', 'error')} ({what.split('.')[1]})")
        return told

    async def _close(self) -> None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                if self._connection.is_connected and self._inbox:
                    await self._connection.publish(f"$JS.API.CONSUMER.DELETE.{STREAM}.{self._consumer}")
                await self._connection.close()


def _has_all_of_its_origin(stream: dict[str, Any]) -> bool:
    """True of a bucket that is no copy. A copy says what it lacks, and for how long it has heard nothing (-1: ever)."""
    if "mirror" not in stream:
        return True
    copy = stream["mirror"] or {}
    quiet = copy.get("active", -1)
    return 0 <= quiet < ORIGIN_SECONDS * NANOSECONDS and not copy.get("lag") and not copy.get("error")


async def _first_of(*works: Any) -> None:
    """Until the first one ends, however that is. Raises what it raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(tasks)
