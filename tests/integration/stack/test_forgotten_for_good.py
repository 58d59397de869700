"""One whole stack: how long streams keep their messages, everything about a user exported, and a user forgotten for good."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import nats
import psycopg
import pytest
from nats.aio.client import Client
from psycopg import sql

from support.buyer import Buyer, new_user
from support.stack import Stack, eventually, running_stack
from support.stripe_events import body_of, purchase, session, signature

DAY = 86_400
KEYS = ["facts", "entitlement", "customers", "sessions", "parked"]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack({"BILLING_PULL_INTERVAL_SECONDS": "0", "BILLING_RETENTION_DAYS": "30"}) as running:
        yield running


def asked(stack: Stack, user: str, question: Any) -> Any:
    async def ask() -> Any:
        told = json.loads((stack.home / "run" / "operator.json").read_text())
        url = {
            "admin": stack.json["nats"]["url"], "observer": stack.json["nats"]["observer"]["url"],
            "keeper": told["nats_admin_url"], "mirrors": told["nats_readers_admin_url"],
        }[user]  # fmt: skip
        client = await nats.connect(url, inbox_prefix=f"_INBOX_{user}".encode())
        try:
            return await question(client)
        finally:
            await client.close()

    return asyncio.run(ask())


def ages(stack: Stack) -> dict[str, float]:
    """The streams' ages, in days."""

    async def read(client: Client) -> dict[str, float]:
        found = await client.jetstream().streams_info()
        return {each.config.name: each.config.max_age / DAY for each in found if not each.config.name.startswith("KV_")}

    found: dict[str, float] = asked(stack, "admin", read)
    return found


def set_ages(stack: Stack, seconds: float, window: float = 4 * DAY) -> None:
    async def change(client: Client) -> None:
        for name in ("BILLING", "ENTITLEMENTS", "PARKED"):
            config = (await client.jetstream().stream_info(name)).config
            await client.jetstream().update_stream(config.evolve(max_age=seconds, duplicate_window=window))

    async def change_mirrors(client: Client) -> None:
        for name in ("BILLING", "ENTITLEMENTS"):
            config = json.loads((await client.request(f"$JS.API.STREAM.INFO.{name}", b"")).data)["config"]
            changed = json.dumps({**config, "max_age": int(seconds * 10**9), "duplicate_window": int(window * 10**9)})
            assert "error" not in json.loads((await client.request(f"$JS.API.STREAM.UPDATE.{name}", changed.encode())).data)

    asked(stack, "keeper", change)
    asked(stack, "mirrors", change_mirrors)


def deliver(stack: Stack, event: dict[str, Any]) -> None:
    body = body_of(event)
    answer = httpx.post(
        stack.json["webhook"]["url"], content=body, headers={"Stripe-Signature": signature(body, stack.json["webhook"]["secret"])}
    )
    assert answer.status_code == 200, answer.text


def exported(stack: Stack, user: str) -> dict[str, Any]:
    done = stack.atlas("export", user)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert list(told) == KEYS
    return told


def stores(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Every store of ours: all tables as text, all messages of all streams and buckets, all logs."""
    for name, dsn in stack.json["postgres"]["databases"].items():
        with psycopg.connect(dsn) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            assert tables
            for (table,) in tables:
                rows = connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table))).fetchall()
                yield f"{name}.{table}", "\n".join(row[0] for row in rows).encode()

    async def messages(client: Client) -> list[tuple[str, bytes]]:
        jetstream, found = client.jetstream(), []
        for stream in await jetstream.streams_info():
            name, state = stream.config.name, stream.state
            for sequence in range(state.first_seq, state.last_seq + 1):
                try:
                    message = await jetstream.get_msg(name, sequence)
                except nats.js.errors.NotFoundError:
                    continue
                told = f"{message.subject} {message.headers}".encode() + (message.data or b"")
                found.append((f"stream {name}", told))
        return found

    yield from asked(stack, "admin", messages)
    yield from ((f"stream {where.removeprefix('stream ')} for readers", told) for where, told in asked(stack, "observer", messages))
    for file in (stack.home / "logs").iterdir():
        yield f"log {file.name}", file.read_bytes()


def holding(stack: Stack, user: str) -> set[str]:
    return {where for where, content in stores(stack) if user.encode() in content}


def test_a_forgotten_user_is_in_no_store_of_ours_once_the_retention_has_passed(stack: Stack) -> None:
    canary, other = Buyer(stack, new_user("canary")), Buyer(stack, new_user("other"))
    sessions = {}
    for buyer in (canary, other):
        sessions[buyer.user] = buyer.buy()
        deliver(stack, purchase(data={"object": session(metadata={"userId": buyer.user}, client_reference_id="eve")}))
    canary.refund(sessions[canary.user])
    eventually(lambda: len(exported(stack, canary.user)["facts"]) > len(exported(stack, other.user)["facts"]), what="the refund's fact")

    told = exported(stack, canary.user)
    assert {fact["userId"] for fact in told["facts"]} == {canary.user, None}
    assert told["entitlement"]["userId"] == canary.user and told["entitlement"]["version"] >= 1
    assert len(told["customers"]) == len(told["sessions"]) == len(told["parked"]) == 1
    assert told["sessions"][0]["customerId"] == told["customers"][0]["customerId"]
    assert told["parked"][0]["reason"] == "contradicting_user"
    before = holding(stack, canary.user)
    assert {"stream BILLING", "stream ENTITLEMENTS", "stream PARKED", "entitlements.ledger", "checkout.customers"} <= before
    assert "stream KV_ENTITLEMENT_STATE" in before, "the bucket of states is looked at"
    assert {"stream BILLING for readers", "stream ENTITLEMENTS for readers", "stream KV_ENTITLEMENT_STATE for readers"} <= before

    done = stack.atlas("forget", canary.user, "--yes")
    assert done.returncode == 0, done.stderr
    assert "  Stripe: keeps its own records of customers" in done.stdout, "what Stripe keeps is said"
    for stream, days in (("BILLING", 30), ("ENTITLEMENTS", 90), ("PARKED", 400)):
        [line] = [line for line in done.stdout.splitlines() if f"broker: {stream}" in line]
        day = {(datetime.now(UTC) + timedelta(days=days, minutes=shift)).date().isoformat() for shift in (-10, 0)}
        assert any(each in line for each in day), line

    [line] = [line for line in done.stdout.splitlines() if "broker: ENTITLEMENT_STATE" in line]
    assert "no entry of the user" in line
    assert "stream KV_ENTITLEMENT_STATE" not in holding(stack, canary.user), "it has no retention to wait for"
    eventually(lambda: "stream KV_ENTITLEMENT_STATE for readers" not in holding(stack, canary.user), what="the mirror has followed")

    gone = stack.atlas("export", canary.user)
    assert (gone.returncode, gone.stdout) == (1, "") and gone.stderr.strip() == f"✗ Nothing is kept about {canary.user}."
    assert canary.user not in stack.atlas("parked", "list", "--json").stdout and other.user in stack.atlas("parked", "list", "--json").stdout
    assert {where for where in holding(stack, canary.user) if not where.startswith("stream ")} == set(), "only the broker still has it"

    set_ages(stack, 1.0, 1.0)
    eventually(lambda: not holding(stack, canary.user), what="the last copy on the broker has ended")
    assert other.user.encode() in b"".join(content for _, content in stores(stack)), "the search finds who is there"
    assert exported(stack, other.user)["entitlement"]["isPro"] is True, "the others' facts don't live on the broker"
    set_ages(stack, 30.0 * DAY)


def test_somebody_unknown_is_told_in_one_sentence_and_an_id_of_stripes_is_no_user(stack: Stack) -> None:
    done = stack.atlas("export", "nobody-at-all")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "✗ Nothing is kept about nobody-at-all.\n")
    assert stack.atlas("export", "pi_123").returncode == 2
    assert stack.atlas("export", " ada").returncode == 2


def test_a_user_with_two_thousand_facts_is_exported_whole(stack: Stack) -> None:
    user = new_user("many")
    with psycopg.connect(stack.json["postgres"]["databases"]["entitlements"]) as connection:
        connection.execute(
            "INSERT INTO ledger (provider, provider_event_id, event_id, type, user_id, product_key, plan_type, occurred_at,"
            " received_at, recorded_at, via, payload_hash, signature_verified, schema_version, facts)"
            " SELECT 'stripe', %(user)s || n, 'stripe:' || n, 'restore_requested', %(user)s, 'pro_lifetime', 'one_time',"
            " now(), now(), now(), 'restore', 'sha256:0', false, 1, '{}' FROM generate_series(1, 2000) n",
            {"user": user},
        )
    told = exported(stack, user)
    assert [fact["eventId"] for fact in told["facts"]] == [f"stripe:{n}" for n in range(1, 2001)]
    assert told["entitlement"]["version"] == 0 and told["parked"] == []


def test_doctor_names_a_stream_of_another_age_and_mends_it(stack: Stack) -> None:
    set_ages(stack, 10.0 * DAY)
    found = {each["what"]: each for each in json.loads(stack.atlas("doctor", "--json").stdout)}
    wrong = found["stream BILLING keeps its messages for 10 days; for 30 days is configured"]
    assert wrong["level"] == "error" and "doctor --fix" in wrong["remedy"]
    mended = stack.atlas("doctor", "--fix", "--json")
    told = {each["what"]: each["level"] for each in json.loads(mended.stdout)}
    assert told["stream BILLING keeps its messages for 30 days now (before: for 10 days)"] == "ok"
    assert told["stream PARKED keeps its messages for 400 days"] == "ok"
    assert mended.returncode == 0, mended.stdout
    assert ages(stack) == {"BILLING": 30, "ENTITLEMENTS": 90, "PARKED": 400}


def test_another_age_in_the_shell_is_said_to_be_ignored(stack: Stack) -> None:
    shell = Stack(stack.home, stack.port_base, {**stack.environ, "BILLING_RETENTION_DAYS": "77", "PARKED_RETENTION_DAYS": "400"})
    told = {each["what"]: each for each in json.loads(shell.atlas("doctor", "--fix", "--json").stdout)}
    said = told["BILLING_RETENTION_DAYS=77 is ignored: the stack was started with 30"]
    assert said["level"] == "warning" and "BILLING_RETENTION_DAYS=77 ./atlas up" in said["remedy"]
    assert not [what for what in told if what.startswith("PARKED_RETENTION_DAYS")]
    assert ages(stack)["BILLING"] == 30


def test_every_start_gives_streams_that_exist_their_age_and_refuses_one_that_is_too_short(stack: Stack) -> None:
    stack.down()
    stack.environ["BILLING_RETENTION_DAYS"] = "3"
    refused = stack.atlas("up", "--detach", "--port-base", str(stack.port_base))
    assert refused.returncode == 1
    assert "BILLING_RETENTION_DAYS: must be 4 to 36500 days" in refused.stderr and "Traceback" not in refused.stderr
    stack.environ |= {"BILLING_RETENTION_DAYS": "25", "ENTITLEMENTS_RETENTION_DAYS": "20"}
    stack.up()
    assert ages(stack) == {"BILLING": 25, "ENTITLEMENTS": 20, "PARKED": 400}

    async def age_of_the_bucket(client: Client) -> float:
        return (await client.jetstream().stream_info("KV_ENTITLEMENT_STATE")).config.max_age or 0

    assert asked(stack, "admin", age_of_the_bucket) == 0
