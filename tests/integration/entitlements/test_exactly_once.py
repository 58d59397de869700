"""Facts become verdicts exactly once, whatever is repeated, killed or shared."""

from __future__ import annotations

from random import Random

from atlas_contracts.billing import Via
from support.entitlements import (
    Service,
    announced,
    on_broker,
    parked,
    publish,
    publish_raw,
    query,
    running,
    unacknowledged,
)
from support.facts import Purchase
from support.folding import Fold, told
from support.histories import random_history
from support.stack import eventually


def test_twenty_deliveries_at_once_make_one_ledger_row_and_one_entitlement_event(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        paid = Purchase("ada").paid(at=0)
        publish(nats_url, [paid] * 20, message_ids=False)  # the broker's dedupe is an optimization: do without it
        assert service.applied([paid])
        eventually(lambda: unacknowledged(nats_url) == 0)
        assert query(postgres_dsn, "SELECT count(*) FROM ledger") == [(1,)]
        assert eventually(lambda: announced(nats_url))
        events = announced(nats_url)
        assert [change for change, _ in events] == ["ada:1"]
        data = events[0][1]["data"]
        assert (data["isPro"], data["status"], data["version"], data["reason"]) == (True, "active", 1, "purchase")
        assert data["causedBy"] == paid.data.event_id
        assert events[0][1]["type"] == "atlas.entitlements.v1.entitlement_granted"
        assert service.entitlement("ada")["version"] == 1


def test_what_is_announced_belongs_to_the_trace_of_what_caused_it_in_header_and_event(nats_url, postgres_dsn):
    trace = "ab" * 16
    with running(nats_url, postgres_dsn):
        publish_raw(nats_url, Purchase("ada").paid(at=0).wire, traceparent=f"00-{trace}-{'cd' * 8}-01")
        ((_, event),) = eventually(lambda: announced(nats_url))
        message = on_broker(nats_url, lambda connection: connection.jetstream().get_msg("ENTITLEMENTS", 1))
    assert [told.split("-")[1] for told in (event["traceparent"], message.headers["traceparent"])] == [trace, trace]


def test_a_refund_before_its_purchase_is_kept_and_applied(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        buy = Purchase("ada")
        refund = buy.charge_refunded(at=60)
        publish(nats_url, [refund])
        assert service.applied([refund])
        assert service.entitlement("ada")["status"] == "none"
        publish(nats_url, [paid := buy.paid(at=0)])
        assert service.applied([paid])
        entitlement = service.entitlement("ada")
        assert (entitlement["status"], entitlement["source"]) == ("revoked", "stripe")
        assert entitlement["activeFrom"] == "2026-03-01T12:00:00Z"


def test_killed_in_the_middle_of_200_purchases_and_started_again_all_are_entitled_each_once(nats_url, postgres_dsn):
    service = Service(nats_url, postgres_dsn).start()
    purchases = [Purchase(f"user-{number}").paid(at=number) for number in range(200)]
    try:
        for start in range(0, 200, 40):
            publish(nats_url, purchases[start : start + 40])
            if start in (40, 120):
                eventually(lambda: query(postgres_dsn, "SELECT count(*) > 0 FROM ledger") == [(True,)])
                service.kill()
                service.start(ready=False)
        service.wait_until_ready()
        eventually(lambda: query(postgres_dsn, "SELECT count(*) FROM entitlements WHERE is_pro") == [(200,)], 60)
        eventually(lambda: query(postgres_dsn, "SELECT count(*) FROM outbox") == [(0,)], 30)
        assert query(postgres_dsn, "SELECT count(*), max(version) FROM entitlements") == [(200, 1)]
        assert query(postgres_dsn, "SELECT count(*) FROM ledger") == [(200,)]
        assert sorted(change for change, _ in announced(nats_url)) == sorted(f"user-{n}:1" for n in range(200))
        assert parked(nats_url) == []
    finally:
        service.stop()


def test_a_kill_between_publish_and_delete_publishes_no_event_twice(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        publish(nats_url, [paid := Purchase("ada").paid(at=0)])
        assert service.applied([paid])
        eventually(lambda: query(postgres_dsn, "SELECT count(*) FROM outbox") == [(0,)])
        ((_, event),) = announced(nats_url)
        # As after a kill right before the row's delete: it is there still, and is relayed again after the restart.
        service.kill()
        import json

        query(
            postgres_dsn,
            "INSERT INTO outbox (message_id, subject, payload) VALUES (%s, %s, %s) RETURNING id",
            event["id"], "entitlements.v1.entitlement_granted", json.dumps(event),
        )  # fmt: skip
        service.start()
        eventually(lambda: query(postgres_dsn, "SELECT count(*) FROM outbox") == [(0,)])
        assert [change for change, _ in announced(nats_url)] == ["ada:1"]


def test_two_replicas_share_the_work_and_do_it_once(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as one, running(nats_url, postgres_dsn) as two:
        facts = []
        for number in range(100):
            buy = Purchase(f"user-{number}")
            facts += [buy.paid(at=0), buy.charge_refunded(at=60, amount=999 if number % 2 else 100)]
        Random(7).shuffle(facts)
        publish(nats_url, facts, message_ids=False)
        publish(nats_url, facts[:50], message_ids=False)
        assert one.applied(facts)
        assert two.applied(facts)
        statuses = {number: two.entitlement(f"user-{number}")["status"] for number in range(100)}
        assert statuses == {number: "revoked" if number % 2 else "active" for number in range(100)}
        eventually(lambda: query(postgres_dsn, "SELECT count(*) FROM outbox") == [(0,)])
        changes = [change for change, _ in announced(nats_url)]
        versions = dict(query(postgres_dsn, "SELECT user_id, version FROM entitlements"))
        assert sorted(changes) == sorted(f"{u}:{v}" for u, last in versions.items() for v in range(1, last + 1))
        assert parked(nats_url) == []


def test_the_database_folds_as_the_domain_does(nats_url, postgres_dsn):
    """The rows of the real service equal the pure fold, for random histories in random order and batches."""
    with running(nats_url, postgres_dsn, BILLING_SUSPEND_ON_DISPUTE="true") as service:
        chance = Random(20261123)
        history = [fact for number in range(12) for fact in _renamed(random_history(chance), number)]
        chance.shuffle(history)
        publish(nats_url, history)
        assert service.applied(history)
        from entitlements.domain.policy import Policy

        pure = Fold(Policy(suspend_on_dispute=True))
        pure.hear(*history)
        rows = query(
            postgres_dsn, "SELECT user_id, is_pro, status, source, active_from, active_until, reason FROM entitlements"
        )
        live = {row[0]: row[1:] for row in rows}
        expected = {
            user: (
                e.verdict.is_pro,
                e.verdict.status,
                e.verdict.source,
                e.verdict.active_from,
                e.verdict.active_until,
                e.reason,
            )
            for user, e in pure.projection.entitlements.items()
        }
        assert live == expected
        knowledge = query(postgres_dsn, "SELECT knowledge FROM payments")
        from entitlements.adapters.knowledge_json import decode_knowledge, encode_knowledge

        assert sorted(encode_knowledge(decode_knowledge(row)) for (row,) in knowledge) == sorted(
            encode_knowledge(payment.knowledge) for payment in pure.projection.payments.values()
        )


def _renamed(history, number):
    """The same history about users of its own."""
    for fact in history:
        user = fact.data.user_id
        if user is None:
            yield fact
        elif fact.data.adjustment:
            key = f"{fact.data.provider_event_id}-{number}"
            event_id = f"{fact.data.provider}:{key}:{fact.data.event_id.rsplit(':', 1)[1]}"
            yield fact.changed(user_id=f"{user}-{number}", provider_event_id=key, event_id=event_id)
        else:
            yield fact.changed(user_id=f"{user}-{number}")


def test_reads_for_another_door_do_not_change_a_known_verdict(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        buy = Purchase("ada")
        publish(nats_url, [paid := buy.paid(at=0)])
        assert service.applied([paid])
        before = service.entitlement("ada")
        reads = [buy.read(at=30), buy.charge_read(at=30), buy.read(at=31), paid.through(Via.PULL)]
        publish(nats_url, reads, message_ids=False)
        assert service.applied(reads)
        assert service.entitlement("ada") == before
        assert told(paid, *reads[:3]).version("ada") >= 1


def test_a_reason_put_right_is_stored_and_not_announced(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        buy = Purchase("ada")
        publish(nats_url, facts := [buy.paid(at=0), buy.dispute().told("lost", at=60)])
        assert service.applied(facts)
        before = service.entitlement("ada")
        assert (before["reason"], before["version"]) == ("chargeback_lost", 2)
        publish(nats_url, [refund := buy.charge_refunded(at=60)])
        assert service.applied([refund])
        assert service.entitlement("ada") == before | {"reason": "refunded"}
        eventually(lambda: query(postgres_dsn, "SELECT count(*) FROM outbox") == [(0,)])
        assert len(announced(nats_url)) == 2
