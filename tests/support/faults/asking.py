"""Requests of one kind again and again while something breaks, and how they are answered."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import nats

from atlas_kit.process.servers import servers_of
from support.faults.cluster import NODES
from support.stack import Stack
from support.stripe_events import body_of, event, refund, signature


@dataclass
class Asked:
    """What an endless row of requests was answered, and when."""

    statuses: Counter[str] = field(default_factory=Counter)
    answers: list[tuple[float, float, str]] = field(default_factory=list)
    """When each was sent, how long it took, and its status."""

    def note(self, began: float, status: str) -> None:
        self.statuses[status] += 1
        self.answers.append((began, time.monotonic() - began, status))

    def last_bad(self) -> float:
        """When the last request was sent that wasn't answered with 200."""
        return max((began for began, _, status in self.answers if status != "200"), default=0.0)


@contextmanager
def asking(make: Callable[[], httpx.Request], again_after: float = 0.02, threads: int = 2) -> Iterator[Asked]:
    """Sends such requests over new connections, one after another in each thread, while the block runs."""
    asked, over = Asked(), threading.Event()

    def ask() -> None:
        while not over.is_set():
            began = time.monotonic()
            try:
                with httpx.Client(timeout=15) as client:
                    asked.note(began, str(client.send(make()).status_code))
            except httpx.TransportError as error:
                asked.note(began, type(error).__name__)
            over.wait(again_after)

    asking_threads = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in asking_threads:
        thread.start()
    try:
        yield asked
    finally:
        over.set()
        for thread in asking_threads:
            thread.join()


def webhooks_of(stack: Stack) -> Callable[[], httpx.Request]:
    """Events that the broker has to store, each a new one; they refund a payment that is none of ours.

    Not one event again and again: a node without a majority still knows what it has stored before.
    """
    url, secret = stack.json["webhook"]["url"], stack.json["webhook"]["secret"]

    def make() -> httpx.Request:
        told = event("refund.updated", refund(payment_intent="pi_elsewhere", charge=None, amount=100), created=int(time.time()))
        body = body_of(told)
        return httpx.Request("POST", url, content=body, headers={"stripe-signature": signature(body, secret)})

    return make


def leader_of(stack: Stack, stream: str) -> str:
    """The part that leads a stream: `atlas-dev-2` is the server's name of `nats-2`."""

    async def ask() -> str:
        client = await nats.connect(servers_of(stack.json["nats"]["url"]), inbox_prefix=b"_INBOX_admin")
        try:
            cluster = (await client.jetstream().stream_info(stream)).cluster
            assert cluster is not None and cluster.leader
            return NODES[int(cluster.leader.rpartition("-")[2]) - 1]
        finally:
            await client.close()

    return asyncio.run(ask())


def p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]
