"""Statements that travel together are one transaction, on a real database, whatever goes wrong in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from atlas_kit.storage.together import Connection, Question, Statement, Work, array, working

pytestmark = pytest.mark.anyio

INSERT = Statement.of("INSERT INTO noted (word) SELECT json_array_elements_text(%(words)s::json) RETURNING id, word", "words")
READ = Statement.of("SELECT word FROM noted ORDER BY id")
AMONG = Statement.of("SELECT word FROM unnest(%(words)s::text[]) AS t (word)", "words")
WRONG = Statement.of("SELECT 1 / $1::int")
UNKNOWN = Statement.of("SELECT * FROM nowhere")


@pytest.fixture
async def connection(postgres_dsn: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
        await connection.execute("CREATE TABLE noted (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, word text NOT NULL)")
        await connection.commit()
        yield connection


def committed(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as other:
        return [row[0] for row in other.execute("SELECT word FROM noted ORDER BY id").fetchall()]


async def test_one_message_asks_all_and_each_has_its_rows(connection: Connection, postgres_dsn: str) -> None:
    for number in range(3):  # the statements are prepared in the first round
        async with working(connection) as work:
            inserted, read = Question(INSERT, ('["a", "b"]',)), Question(READ)
            await work.ask(inserted, read)
            assert [word for _, word in inserted.rows] == ["a", "b"]
            assert [word for (word,) in read.rows] == ["a", "b"] * (number + 1)
            assert len(committed(postgres_dsn)) == 2 * number, "not before the commit"
        assert len(committed(postgres_dsn)) == 2 * (number + 1)


async def test_what_is_put_off_goes_out_with_the_commit(connection: Connection, postgres_dsn: str) -> None:
    async with working(connection) as work:
        late = work.put_off(Question(INSERT, ('["late"]',)))
        assert late.rows == []
    assert [word for _, word in late.rows] == ["late"]
    assert committed(postgres_dsn) == ["late"]
    async with working(connection) as work:
        early = work.put_off(Question(INSERT, ('["first"]',)))
        read = Question(READ)
        await work.ask(read)
        assert early.rows and [word for (word,) in read.rows] == ["late", "first"]


async def test_statements_of_psycopg_in_between_are_in_the_same_transaction(connection: Connection, postgres_dsn: str) -> None:
    async with working(connection) as work:
        await work.ask(Question(INSERT, ('["ours"]',)))
        await connection.execute("INSERT INTO noted (word) VALUES ('psycopg''s')")
        assert committed(postgres_dsn) == []
    assert committed(postgres_dsn) == ["ours", "psycopg's"]


@pytest.mark.parametrize("wrong", [Question(WRONG, ("0",)), Question(UNKNOWN)], ids=["fails", "can't be prepared"])
@pytest.mark.parametrize("at_the_end", [False, True])
async def test_an_error_takes_everything_back_and_the_connection_goes_on(
    connection: Connection, postgres_dsn: str, wrong: Question, at_the_end: bool
) -> None:
    for _ in range(2):
        work = Work(connection)
        with pytest.raises((psycopg.errors.DivisionByZero, psycopg.errors.UndefinedTable)):
            if at_the_end:
                await work.ask(Question(INSERT, ('["lost"]',)))
                work.put_off(wrong)
                await work.commit()
            else:
                await work.ask(Question(INSERT, ('["lost"]',)), wrong, Question(READ))
        await connection.rollback()
        assert committed(postgres_dsn) == []
    async with working(connection) as work:
        await work.ask(Question(INSERT, ('["kept"]',)), Question(READ))
    assert committed(postgres_dsn) == ["kept"]


async def test_after_many_statements_of_psycopg_and_an_error_ours_are_still_prepared(connection: Connection) -> None:
    for _ in range(2):
        work = Work(connection)
        await work.ask(Question(READ))
        for _ in range(10):  # psycopg prepares what is asked so often, and throws all away after an error
            await connection.execute("SELECT word FROM noted WHERE id = %s", (1,))
        with pytest.raises(psycopg.errors.DivisionByZero):
            await work.ask(Question(WRONG, ("0",)))
        await connection.rollback()


async def test_a_failing_block_commits_nothing(connection: Connection, postgres_dsn: str) -> None:
    with pytest.raises(LookupError):
        async with working(connection) as work:
            await work.ask(Question(INSERT, ('["lost"]',)))
            work.put_off(Question(INSERT, ('["lost, too"]',)))
            raise LookupError
    await connection.rollback()
    assert committed(postgres_dsn) == []


@pytest.mark.parametrize("told", ["", "plain", 'quote" and \\backslash\\', "{a,b}", "NULL", "ä 🎈", " a\nb\t"])
async def test_any_text_arrives_as_it_is_in_an_array(connection: Connection, told: str) -> None:
    asked = Question(AMONG, (array([told, "other"]),))
    await Work(connection).ask(asked)
    assert [word for (word,) in asked.rows] == [told, "other"]


@pytest.mark.parametrize("told", ["a\0b", "\ud800"])
async def test_text_that_the_database_cannot_hold_is_a_data_error(connection: Connection, told: str) -> None:
    with pytest.raises(psycopg.DataError):
        await Work(connection).ask(Question(AMONG, (array([told]),)))


async def test_cancelled_in_the_middle_nothing_is_committed_and_the_connection_is_given_up(
    connection: Connection, postgres_dsn: str
) -> None:
    work, sleeping = Work(connection), Statement.of("SELECT pg_sleep(60)")
    task = asyncio.create_task(work.ask(Question(INSERT, ('["lost"]',)), Question(sleeping)))
    with psycopg.connect(postgres_dsn, autocommit=True) as other:
        seen = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        async with asyncio.timeout(10):
            while other.execute(seen).fetchone() == (0,):
                await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert connection.closed
    assert committed(postgres_dsn) == []


async def test_a_server_that_ends_the_connection_is_an_operational_error(connection: Connection, postgres_dsn: str) -> None:
    await connection.execute("SELECT 1")
    await connection.rollback()
    with psycopg.connect(postgres_dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        await Work(connection).ask(Question(READ))
    assert connection.closed
