"""docs/moving-in.md, executed from top to bottom: each command, each statement, and what it says is printed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from support.predecessor import populate
from support.servers import Postgres
from support.stack import WORKSPACE, Stack, running_stack

PAGE = (WORKSPACE / "docs" / "moving-in.md").read_text()
BLOCKS = re.findall(r"^```(sh|sql|text)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
DIFFERS = {"shadow": 1, "audit": 1, "doctor": 1}
"""Commands that leave with 1 while there is something to look at, as there is in this database."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack({"BILLING_PULL_INTERVAL_SECONDS": "0"}) as running:
        yield running


def plain(text: str) -> set[str]:
    """Lines without their numbers."""
    return {re.sub(r"\d[\d,]*", "#", line.strip()) for line in text.splitlines() if line.strip()}


@pytest.mark.timeout(420)
def test_the_afternoon_goes_as_the_page_says(stack: Stack, postgres: Postgres) -> None:
    def seed(sessions):
        return httpx.post(stack.url("sandbox") + "/_sandbox/seed", json={"sessions": sessions}, timeout=120).json()["data"]

    owner = postgres.create_database()
    populate(owner, 120, seed)
    [password] = re.findall(r"CREATE ROLE atlas_billing_reader LOGIN PASSWORD '(.*?)'", PAGE)
    stack.environ["ATLAS_DATABASE_URL"] = re.sub("//[^@]*@", f"//atlas_billing_reader:{password}@", owner) + "?schema=public&connection_limit=1"
    printed = ""
    for kind, block in BLOCKS:
        if kind == "sql":
            with psycopg.connect(owner) as database:
                database.execute("DROP ROLE IF EXISTS atlas_billing_reader" if "CREATE ROLE" in block else "SELECT 1")
                database.execute(block)
        elif kind == "sh":
            printed = "".join(run(stack, line) for line in block.splitlines())
        else:
            assert plain(block) <= plain(printed), printed
    with psycopg.connect(owner) as database:
        database.execute(re.search(r"`(DROP OWNED BY atlas_billing_reader; DROP ROLE atlas_billing_reader;)`", PAGE)[1])


def run(stack: Stack, line: str) -> str:
    program, command, *arguments = shlex.split(line)
    assert program == "./atlas"
    if line == "./atlas stripe setup --apply":  # writes beside ./atlas; tests/integration/stripe_setup runs it elsewhere
        assert "--apply" in stack.atlas("stripe", "setup", "--help").stdout
        return ""
    done = stack.atlas(command, *arguments)
    assert done.returncode in {0, DIFFERS.get(command, 0), 2 if line == "./atlas stripe setup" else 0}, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout
