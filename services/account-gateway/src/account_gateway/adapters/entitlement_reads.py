"""Entitlement reads on their way to the entitlements service: those that arrive together travel in one question.

No read waits for others to come: the first one after a pause is asked at once. What arrives while a question is under
way is collected and travels in the next one, which is sent after every read in it was asked. So each answer comes from
the database and has all that was folded before the read, as if each read had been asked by itself.
Figures: docs/decisions/0021-reads-travel-together.md.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from account_gateway.adapters.lean_client import LeanClient
from atlas_contracts.callers import ENTITLEMENT
from atlas_contracts.internal_api import GATEWAY_SERVICE
from atlas_contracts.many_reads import MANY_ENTITLEMENTS, MAX_READS, EntitlementsRequest
from atlas_kit.http.client import DEFAULT_SECONDS
from atlas_kit.http.errors import AtlasError, NotFound, Unavailable
from atlas_kit.process import context
from atlas_kit.process.context import Ids
from atlas_kit.process.logs import get_logger
from atlas_kit.tracing.spans import OpenSpan
from atlas_kit.tracing.work import asking_together, waiting_for

log = get_logger()

AT_ONCE = 1
"""Questions under way that hold back the next one. With two, questions are smaller and cost more."""
PATIENCE_SECONDS = 0.1
"""A question that takes longer no longer holds back the next one: a replica that hangs delays few reads."""
SHORTEST_SECONDS = 0.05
"""Shortest wait for an answer, also when the question's oldest read has less time left."""
SINGLY_SECONDS = 30.0
"""How long reads are asked one by one after a service said that it doesn't know the question: an older version, which
will be replaced soon."""

Record = dict[str, Any]
ModelT = TypeVar("ModelT", bound=BaseModel)


class _Records(BaseModel):
    """The answer, see EntitlementsResult. Each read makes its model of its own record, so that a record which can't be
    read is one user's problem.
    """

    entitlements: list[Record]


class _NotUnderstood(Exception):
    """The service answers, but not this question."""


@dataclass(slots=True, eq=False)
class _Read:
    user_id: str
    ids: Ids
    span: OpenSpan
    until: float
    done: asyncio.Future[Record]


@dataclass(slots=True, eq=False)
class _Question:
    reads: Sequence[_Read]
    holds: bool = True


class EntitlementReads:
    """Reads single users' entitlements for many callers at once."""

    def __init__(self, client: LeanClient) -> None:
        self._client = client
        self._waiting: deque[_Read] = deque()
        self._holding = 0
        self._sends_soon = False
        self._under_way: set[asyncio.Task[None]] = set()
        self._singly_until = 0.0

    async def read(self, user_id: str, answer: type[ModelT]) -> ModelT:
        """The user's entitlement, read after this was called. Raises the service's error, or Unavailable."""
        loop = asyncio.get_running_loop()
        until = loop.time() + DEFAULT_SECONDS
        if loop.time() >= self._singly_until:
            try:
                return answer.model_validate(await self._record(user_id, until))
            except ValidationError as error:
                raise Unavailable from error
            except _NotUnderstood:
                pass
        return await self._client.get(ENTITLEMENT, user_id, answer, seconds=until - loop.time())

    async def _record(self, user_id: str, until: float) -> Record:
        with waiting_for("read entitlement") as span:
            ids = span.ids or Ids(context.current_request_id(), context.current_traceparent())
            read = _Read(user_id, ids, span, until, asyncio.get_running_loop().create_future())
            self._waiting.append(read)
            self._send_soon()
            return await read.done

    def _send_soon(self) -> None:
        """Send at the end of this turn, so that all reads that came in it travel together."""
        if not self._sends_soon and self._holding < AT_ONCE:
            self._sends_soon = True
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        self._sends_soon = False
        while self._waiting and self._holding < AT_ONCE:
            count = min(len(self._waiting), MAX_READS)
            question = _Question([self._waiting.popleft() for _ in range(count)])
            self._holding += 1
            # In a context of its own: it asks for many requests, and is no part of the one that was last.
            task = asyncio.create_task(self._ask(question), context=Context())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def _let_go(self, question: _Question) -> None:
        """The question no longer holds back the next one."""
        if question.holds:
            question.holds = False
            self._holding -= 1
            self._send()

    async def _ask(self, question: _Question) -> None:
        loop = asyncio.get_running_loop()
        reads = [read for read in question.reads if not read.done.done()]  # without those that were cancelled
        overdue = loop.call_later(PATIENCE_SECONDS, self._let_go, question)
        try:
            found = await self._found(reads) if reads else {}
        except Exception as error:  # noqa: BLE001 - every read gets it
            self._let_go(question)
            self._fail(reads, error)
        else:
            self._let_go(question)
            _settle(reads, found)
        finally:
            overdue.cancel()

    async def _found(self, reads: Sequence[_Read]) -> dict[str, Record]:
        """Each user's record."""
        users = list({read.user_id: None for read in reads})
        asked = EntitlementsRequest.model_construct(user_ids=users, request_ids=[read.ids.request_id for read in reads])
        seconds = max(reads[0].until - asyncio.get_running_loop().time(), SHORTEST_SECONDS)
        with asking_together(self._client.base_url, [(read.ids, read.span) for read in reads]) as span:
            answer = await self._client.post(MANY_ENTITLEMENTS, GATEWAY_SERVICE, _Records, asked, span, seconds=seconds)
        return {str(record.get("userId")): record for record in answer.entitlements}

    def _fail(self, reads: Sequence[_Read], error: Exception) -> None:
        """What failed for all fails for each. But where only the question was refused, each read is asked by itself: by
        a service that doesn't know it, and for the sake of the others when one user's read is the reason.
        """
        refused = isinstance(error, AtlasError) and not isinstance(error, Unavailable)
        if isinstance(error, NotFound):
            self._singly_until = asyncio.get_running_loop().time() + SINGLY_SECONDS
        if refused:
            log.warning("entitlements.asked_singly", reads=len(reads), error=type(error).__name__)
        for read in reads:
            if read.done.done():
                continue
            if refused:
                read.done.set_exception(_NotUnderstood())
            elif isinstance(error, Unavailable):
                read.done.set_exception(Unavailable(error.message, recovery=error.recovery, headers=error.headers))
            else:
                read.done.set_exception(error)


def _settle(reads: Sequence[_Read], found: dict[str, Record]) -> None:
    for read in reads:
        if read.done.done():
            continue
        if read.user_id in found:
            read.done.set_result(found[read.user_id])
        else:
            read.done.set_exception(Unavailable())
