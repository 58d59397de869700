"""Statements that travel together: one message to the server and one answer, whatever their number.

psycopg's pipeline sends each statement by itself, and the server wakes up for each. Where a transaction always asks the
same few statements, that was half of its cost (docs/performance.md). This uses libpq's pipeline mode by psycopg's own
``pgconn``, and psycopg's conversion of what comes back.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection, DataError, errors
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import TupleRow
from psycopg.waiting import Ready, Wait

Connection = AsyncConnection[TupleRow]
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with parameters ``$1`` and so on, which each connection prepares once."""

    sql: bytes
    name: bytes

    @classmethod
    def of(cls, sql: str, *names: str) -> Statement:
        """From a statement with psycopg's placeholders, named as here; their order is that of the parameters."""
        for number, name in enumerate(names, 1):
            sql = sql.replace(f"%({name})s", f"${number}")
        return cls(sql.encode(), f"together_{hashlib.sha256(sql.encode()).hexdigest()[:16]}".encode())


@dataclass(slots=True)
class Question:
    """A statement with its parameters, as text; ``rows`` is what came back, once it was sent."""

    statement: Statement
    parameters: Sequence[str | None] = ()
    rows: Rows = field(default_factory=list)


_BEGIN, _COMMIT = Statement.of("BEGIN"), Statement.of("COMMIT")
_prepared: WeakKeyDictionary[Connection, set[bytes]] = WeakKeyDictionary()


def array(values: Sequence[str]) -> str:
    """A parameter of type ``text[]``."""
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


class Work:
    """One transaction on ``connection``, which may also be used directly between two calls; psycopg has prepared
    nothing on it before.
    """

    def __init__(self, connection: Connection) -> None:
        connection.prepare_threshold = None  # psycopg would deallocate our statements with its own after an error
        self.connection = connection
        self._later: list[Question] = []

    async def ask(self, *asked: Question) -> None:
        """Send them, with what was put off before, and wait for the answers. Raises psycopg.Error."""
        await self._send([*self._take(), *asked])

    def put_off(self, asked: Question) -> Question:
        """Send it with the next ones, at the latest with the commit."""
        self._later.append(asked)
        return asked

    async def commit(self) -> None:
        """Send what was put off, and the commit. Raises psycopg.Error; then nothing is committed."""
        if self._later or self.connection.pgconn.transaction_status != TransactionStatus.IDLE:
            await self._send([*self._take(), Question(_COMMIT)])

    def _take(self) -> list[Question]:
        taken, self._later = self._later, []
        return taken

    async def _send(self, asked: Sequence[Question]) -> None:
        connection = self.connection
        if connection.pgconn.transaction_status == TransactionStatus.IDLE:
            asked = [Question(_BEGIN), *asked]
        parameters = [_encoded(one.parameters) for one in asked]
        known = _prepared.setdefault(connection, set())
        async with connection.lock:
            try:
                results = await connection.wait(_exchange(connection.pgconn, asked, parameters, known))
            except BaseException:
                connection.pgconn.finish()  # what was answered to what isn't known any more
                raise
        for result in results:
            if result.status in (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED):
                raise errors.error_from_result(result)
        for one, result in zip(asked, results, strict=True):
            if result.status == ExecStatus.TUPLES_OK:
                one.rows = _rows(connection, result)


@asynccontextmanager
async def working(connection: Connection) -> AsyncIterator[Work]:
    """A transaction that commits when the block ends. Whoever gave the connection rolls back when it raises."""
    work = Work(connection)
    yield work
    await work.commit()


def _encoded(parameters: Sequence[str | None]) -> list[bytes | None]:
    """What the server can't hold, it says. Raises psycopg.DataError for U+0000, with which libpq would end the text."""
    if any(value and "\0" in value for value in parameters):
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return [None if value is None else value.encode(errors="surrogatepass") for value in parameters]


def _exchange(
    pgconn: PGconn, asked: Sequence[Question], parameters: Sequence[list[bytes | None]], known: set[bytes]
) -> Generator[Wait, Ready | int, list[PGresult]]:
    """Send everything, then read everything. The result of each statement, or of its preparation where that failed.

    ``known``: the statements that are prepared; those that are now are added.
    """
    pgconn.enter_pipeline_mode()
    preparing, before = [], set(known)
    for one, values in zip(asked, parameters, strict=True):
        preparing.append(one.statement.name not in before)
        if preparing[-1]:
            pgconn.send_prepare(one.statement.name, one.statement.sql)
            before.add(one.statement.name)
        pgconn.send_query_prepared(one.statement.name, values)
    pgconn.pipeline_sync()
    while pgconn.flush():
        if (yield Wait.RW) & Ready.R:
            pgconn.consume_input()
    results = []
    for one, prepares in zip(asked, preparing, strict=True):
        prepared = (yield from _result(pgconn)) if prepares else None
        result = yield from _result(pgconn)
        if prepared is not None and prepared.status == ExecStatus.COMMAND_OK:
            known.add(one.statement.name)
            prepared = None
        results.append(prepared or result)
    yield from _next(pgconn)  # of the sync
    pgconn.exit_pipeline_mode()
    return results


def _result(pgconn: PGconn) -> Generator[Wait, Ready | int, PGresult]:
    """The result of the next statement."""
    result = yield from _next(pgconn)
    assert result
    while (yield from _next(pgconn)) is not None:
        pass
    return result


def _next(pgconn: PGconn) -> Generator[Wait, Ready | int, PGresult | None]:
    while pgconn.is_busy():
        yield Wait.R
        pgconn.consume_input()
        while pgconn.notifies():
            pass
    return pgconn.get_result()


def _rows(connection: Connection, result: PGresult) -> Rows:
    transformer = Transformer(connection)
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, tuple)
