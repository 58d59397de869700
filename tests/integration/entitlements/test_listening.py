"""The projector as a process: whose request each change belongs to, a durable that vanishes, leaving in a backlog."""

from __future__ import annotations

import json
import signal
import time

import nats
import nats.aio.client
import psycopg

from atlas_contracts.streams import BILLING, PROJECTOR_DURABLE, billing_subject
from atlas_kit.messaging.events import billing_event, encode, event_type_of
from atlas_kit.messaging.listening.durable import ACK_WAIT_SECONDS
from atlas_kit.process import context
from atlas_kit.process.logs import logged_user
from entitlements.adapters.ledger import FOLD_LOCK
from support.entitlements import Service, on_broker, publish, running, token, unacknowledged
from support.facts import Purchase, Told
from support.stack import eventually


def ids_of(user: str) -> context.Ids:
    trace = user.encode().hex().ljust(32, "0")
    return context.Ids(f"req_of_{user}", f"00-{trace}-{trace[:16]}-00")


def publish_as(url: str, told: list[tuple[str, Told]]) -> None:
    """Each fact in the request of its own user, in header and event."""

    async def act(connection: nats.aio.client.Client) -> None:
        for user, one in told:
            with context.carrying(ids_of(user)):
                payload = encode(billing_event(one.data, "test"))
            headers = {"x-request-id": ids_of(user).request_id, "traceparent": ids_of(user).traceparent}
            subject = billing_subject(event_type_of(one.data.event_id))
            await connection.jetstream().publish(subject, payload, stream=BILLING.name, headers=headers)

    on_broker(url, act)


def messages(url: str, stream: str) -> list[tuple[dict[str, str], dict[str, object]]]:
    async def act(connection: nats.aio.client.Client) -> list[tuple[dict[str, str], dict[str, object]]]:
        state = (await connection.jetstream().stream_info(stream)).state
        found = [await connection.jetstream().get_msg(stream, seq) for seq in range(1, state.last_seq + 1)]
        return [(message.headers or {}, json.loads(message.data or b"null")) for message in found]

    return on_broker(url, act)


def count_of(url: str, stream: str) -> int:
    async def act(connection: nats.aio.client.Client) -> int:
        return (await connection.jetstream().stream_info(stream)).state.messages

    return on_broker(url, act)


def lines(service: Service, event: str) -> list[dict[str, object]]:
    told = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in told if line["event"] == event]


def test_256_interleaved_users_each_keep_their_own_ids_from_ledger_to_announcement(nats_url, postgres_dsn):
    """Purchases and refunds of all users gather at the broker and are folded in few batches."""
    bought = {f"user-{number}": Purchase(f"user-{number}") for number in range(256)}
    paid = [(user, one.paid(at=0)) for user, one in bought.items()]
    refunded = [(user, one.charge_refunded(at=60)) for user, one in bought.items()]
    with running(nats_url, postgres_dsn) as service:
        service.kill()  # the stream and the schema are there
        publish_as(nats_url, [fact for pair in zip(paid, refunded, strict=True) for fact in pair])
        service.start()
        eventually(lambda: count_of(nats_url, "ENTITLEMENTS") == 512, 90)
        for headers, event in messages(nats_url, "ENTITLEMENTS"):
            ids = ids_of(str(event["subject"]))
            assert (event["requestid"], headers["x-request-id"]) == (ids.request_id, ids.request_id)
            assert event["traceparent"] == headers["traceparent"], "header and event name one span"
            told, came = str(event["traceparent"]).split("-"), ids.traceparent.split("-")
            assert (told[1], told[3]) == (came[1], came[3]), "the fact's trace, and its flags"
            assert told[2] != came[2], "in a span of its own"
        applied = {(line["user"], line["requestId"], line["traceId"]) for line in lines(service, "billing.projection.applied")}
        assert applied == {
            (logged_user(user), ids_of(user).request_id, context.trace_id(ids_of(user).traceparent)) for user in bought
        }
        with psycopg.connect(postgres_dsn) as database:
            kept = database.execute("SELECT user_id, request_id FROM ledger WHERE user_id IS NOT NULL").fetchall()
            last = database.execute("SELECT user_id, request_id FROM entitlements").fetchall()
        assert set(kept) == set(last) == {(user, f"req_of_{user}") for user in bought}
        assert service.entitlement("user-7")["requestId"] == "req_of_user-7"
        explained = service.get("/operator/explain?user=user-7", token("operator", issuer="operator"))[1]
        facts = [fact for payment in explained["payments"] for fact in payment["facts"]]
        assert [fact["requestId"] for fact in facts] == ["req_of_user-7"] * 2


def test_a_refund_is_announced_in_the_refunds_request_not_the_purchases(nats_url, postgres_dsn):
    buy = Purchase("ada")
    with running(nats_url, postgres_dsn):
        publish_as(nats_url, [("purchase", buy.paid(at=0)), ("refund", buy.charge_refunded(at=60))])
        eventually(lambda: len(messages(nats_url, "ENTITLEMENTS")) == 2)
    told = [(event["type"], event["requestid"]) for _, event in messages(nats_url, "ENTITLEMENTS")]
    assert told == [
        ("atlas.entitlements.v1.entitlement_granted", "req_of_purchase"),
        ("atlas.entitlements.v1.entitlement_revoked", "req_of_refund"),
    ]


def test_a_durable_deleted_under_the_service_is_declared_again_and_readiness_comes_back(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        on_broker(nats_url, lambda client: client.jetstream().delete_consumer(BILLING.name, PROJECTOR_DURABLE))
        publish(nats_url, [paid := Purchase("ada").paid(at=0)])
        assert service.applied([paid], timeout_ms=10_000)
        eventually(lambda: service.get("/readyz")[0] == 200, 10)
        assert len(lines(service, "broker.consumer_created")) == 2


def test_without_the_stream_readiness_is_red_and_says_why(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        on_broker(nats_url, lambda client: client.jetstream().delete_stream(BILLING.name))
        eventually(lambda: "consumer" in (service.get("/readyz")[1] or {}).get("failing", ()))
        assert service.get("/healthz")[0] == 200


def test_a_service_that_is_stopped_in_a_backlog_leaves_nothing_to_wait_for(nats_url, postgres_dsn):
    """While somebody else holds the fold's lock, a batch is in hand and more of the backlog has been sent to us."""
    paid = [Purchase(f"user-{number}").paid(at=0) for number in range(600)]
    with running(nats_url, postgres_dsn) as leaving, running(nats_url, postgres_dsn) as staying:
        with psycopg.connect(postgres_dsn) as elsewhere:
            elsewhere.execute("SELECT pg_advisory_xact_lock(%s)", (FOLD_LOCK,))
            publish(nats_url, paid)
            eventually(lambda: sent(nats_url) >= 2 * 256 - 1, what="both have been sent what they asked for")
            leaving.process.send_signal(signal.SIGTERM)
            stopped = time.monotonic()
            eventually(lambda: lines(leaving, "consumer.gave_back"), 5)
        leaving.process.wait(15)
        eventually(lambda: unacknowledged(nats_url) == 0, 15)
        assert time.monotonic() - stopped < ACK_WAIT_SECONDS / 2, "nothing waited to be sent again"
        assert staying.applied(paid)
        assert '"task.failed"' not in leaving.log.read_text()


def sent(url: str) -> int:
    """Messages on their way or in hand."""

    async def act(connection: nats.aio.client.Client) -> int:
        return (await connection.jetstream().consumer_info(BILLING.name, PROJECTOR_DURABLE)).num_ack_pending or 0

    return on_broker(url, act)


def test_a_worker_that_has_died_turns_readiness_red_by_name_until_it_lives_again(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        _execute(postgres_dsn, "ALTER TABLE outbox RENAME TO mislaid")
        eventually(lambda: service.get("/readyz")[1]["failing"] == ["outbox"], what="red, by name")
        assert service.get("/healthz")[0] == 200
        _execute(postgres_dsn, "ALTER TABLE mislaid RENAME TO outbox")
        eventually(lambda: service.get("/readyz")[0] == 200, 30, "well again")


def _execute(dsn: str, sql: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql)
