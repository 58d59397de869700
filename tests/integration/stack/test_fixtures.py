"""The servers that tests run against are real."""

from __future__ import annotations

import nats
import psycopg
import pytest


@pytest.mark.anyio
async def test_the_broker_stores_what_it_acknowledges(nats_url: str) -> None:
    connection = await nats.connect(nats_url)
    try:
        broker = connection.jetstream()
        await broker.add_stream(name="PROBE", subjects=["probe.>"])
        ack = await broker.publish("probe.one", b"{}")
        assert ack.seq == 1
    finally:
        await connection.close()


def test_each_test_gets_a_database_of_its_own(postgres_dsn: str, new_database) -> None:
    for dsn in (postgres_dsn, new_database()):
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE probe (id int)")
