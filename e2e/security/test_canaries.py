"""Unique secrets and personal data go through everything, failures included; afterwards every place is searched.

One stack, everything in it that can write: the services' logs at DEBUG, the broker's files, both databases (as files,
write-ahead log included, and as SQL text), error answers, metrics, and what the operator's commands print.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from atlas_kit.process.logs import logged_user
from atlas_localstack.stack.home import Home
from support.canaries import files_below
from support.canary_scene import CREDENTIALS, MAY_STAND_IN_FILES, SERVICES, Scene, canary_scene

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with canary_scene() as found:
        yield found


def _leaks(
    scene: Scene, places: Iterator[tuple[str, bytes]] | list[tuple[str, bytes]], *, files: bool = False
) -> list[str]:
    found: list[str] = []
    for where, content in places:
        found += scene.canaries.found_in(where, content)
        found += [
            f"{what} in {where}"
            for what, pattern in CREDENTIALS.items()
            if not (files and what == MAY_STAND_IN_FILES) and pattern.search(content)
        ]
    return found


def _home_files(scene: Scene, *exempt: Path) -> Iterator[tuple[str, bytes]]:
    return files_below(scene.stack.home, exempt)


def test_the_search_finds_what_is_there(scene: Scene) -> None:
    """Else an empty search would prove nothing: personal data did go in, and what may be kept is found."""
    stripe = b"".join(content for _, content in files_below(Home(scene.stack.home).sandbox_data, ()))
    for personal in ("email", "card holder", "typed email, as stored"):
        assert scene.canaries.values[personal].encode() in stripe, f"{personal} never reached Stripe"
    buyer = scene.buyers[0]
    for folder, name in (("logs", logged_user(buyer)), ("data/nats", buyer), ("data/postgres", buyer)):
        content = b"".join(content for _, content in files_below(scene.stack.home / folder, ()))
        assert name.encode() in content, f"nothing of the purchase was found in {folder}"
    assert any(scene.buyers[0].encode() in content for _, content in _tables(scene))
    assert len(scene.answers) > 20
    logs = b"".join(content for _, content in files_below(scene.stack.home / "logs", ()))
    for happened in (b"billing.webhook.rejected", b"billing.event.parked", b"billing.restore.not_eligible", b"stripe."):
        assert happened in logs, f"{happened!r} never happened"
    secrets_file = Home(scene.stack.home).secrets_file
    assert scene.canaries.found_in("", secrets_file.read_bytes())


def test_logs_hold_no_secret_and_nothing_personal(scene: Scene) -> None:
    assert _leaks(scene, files_below(scene.stack.home / "logs", ()), files=True) == []


def test_error_answers_and_metrics_hold_none(scene: Scene) -> None:
    assert _leaks(scene, scene.answers) == []
    pages = []
    for service in SERVICES:
        for path in ("/metrics", "/readyz", "/healthz", "/no-such-page"):
            answer = httpx.get(scene.stack.url(service) + path, timeout=10)
            pages.append((f"{service}{path}", answer.content))
    assert _leaks(scene, pages) == []


def test_the_databases_as_text_hold_none(scene: Scene) -> None:
    assert _leaks(scene, _tables(scene)) == []


def test_no_file_of_broker_or_database_holds_any(scene: Scene) -> None:
    """Streams, parked events, key-value buckets, tables, dead rows and write-ahead log, as they lie on the disk."""
    home = Home(scene.stack.home)
    exempt = (
        home.sandbox_data,  # Stripe's own books
        home.path / "logs",  # above
        home.secrets_file,
        home.keys,
        home.stack_file,
        home.path / "run",  # the supervisor's: credentials by design, readable by their owner only
        home.path / ".env",
    )
    assert _leaks(scene, _home_files(scene, *exempt), files=True) == []


def test_what_operators_are_shown_holds_none(scene: Scene) -> None:
    """`status --json` shows credentials by contract; everything else is for screens, tickets and chats."""
    listed = _said(scene, "parked", "list", "--json")
    parked = json.loads(listed.stdout)
    assert len(parked) >= 2, "what was parked is there to be looked at"
    said = [listed, *(_said(scene, "parked", "show", each["id"]) for each in parked)]
    said += [_said(scene, "explain", scene.buyers[0]), _said(scene, "explain", scene.buyers[1], "--json")]
    said += [_said(scene, "audit"), _said(scene, "doctor")]
    printed = [(" ".join(done.args[1:]), (done.stdout + done.stderr).encode()) for done in said]
    assert _leaks(scene, printed) == []


def _said(scene: Scene, *arguments: str) -> subprocess.CompletedProcess[str]:
    return scene.stack.atlas(*arguments)


def _tables(scene: Scene) -> list[tuple[str, bytes]]:
    """Every table of both databases as text."""
    found: list[tuple[str, bytes]] = []
    for name, dsn in scene.stack.json["postgres"]["databases"].items():
        with psycopg.connect(dsn) as connection:
            names = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
            for (table,) in names:
                with contextlib.suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
                    rows = connection.execute(
                        sql.SQL("select t::text from {} t").format(sql.Identifier(table))
                    ).fetchall()
                    found.append((f"{name}.{table}", "\n".join(row[0] for row in rows).encode()))
    assert {where for where, _ in found} >= {"checkout.checkout_attempts", "checkout.customers"}, found
    return found
