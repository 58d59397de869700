"""What real installations taught (CONTRACT 11), on a real database: reviews, an operator's word, changed content, forgetting."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from atlas_contracts.billing import Via
from atlas_kit.storage import migrations
from atlas_kit.storage.together import working
from entitlements.domain.policy import Policy
from entitlements.use_cases import forget, rebuild
from entitlements.use_cases.fold import fold
from support.entitlements import announced, parked, publish, query, running, token, unacknowledged
from support.facts import Purchase, from_stripe, when
from support.stack import eventually


def by_operator() -> str:
    """A token; made when it is used, since it lives for a minute."""
    return token("operator", issuer="operator")


def test_metadata_edited_to_another_user_revokes_and_is_reviewed_for_both(nats_url, postgres_dsn):
    buy = Purchase("ada")
    with running(nats_url, postgres_dsn) as service:
        publish(nats_url, [paid := buy.paid(at=0)])
        assert service.applied([paid])
        assert service.entitlement("ada")["isPro"]
        publish(nats_url, [edited := buy.named("bob", at=90)])
        assert service.applied([edited])
        assert service.entitlement("ada")["status"] == "revoked"
        assert not service.entitlement("bob")["isPro"]
        for user in ("ada", "bob"):
            assert service.overview(user)["payment"]["state"] == "needs_review"
            assert service.get(f"/operator/explain?user={user}", by_operator())[1]["payments"][0]["because"] == "contradicting_user"
        refused = service.get("/operator/reviews", by_operator())[1]["refused"]
        assert {(row["userId"], row["reason"], row["paymentIntentId"]) for row in refused} == {
            ("ada", "contradicting_user", buy.intent),
            ("bob", "contradicting_user", buy.intent),
        }
        second = Purchase("bob")
        publish(nats_url, [own := second.paid(at=120)])
        assert service.applied([own])
        assert service.entitlement("bob")["isPro"], "his own purchase still counts"
    assert asyncio.run(rebuild.verify(postgres_dsn, Policy(), lambda *_: None))[1].count == 0


def test_paid_and_refused_is_logged_counted_and_listed_until_it_is_refunded(nats_url, postgres_dsn):
    buy = Purchase("ada", session={"payment_link": "plink_1"})
    with running(nats_url, postgres_dsn) as service:
        publish(nats_url, [paid := buy.paid(at=0), again := buy.paid(at=5)])
        assert service.applied([paid, again])
        assert service.overview("ada")["payment"]["state"] == "needs_review"
        log = [line for line in service.log.read_text().splitlines() if "billing.payment.refused" in line]
        assert len(log) == 1
        assert "made_by_a_payment_link" in log[0]
        publish(nats_url, [back := buy.charge_refunded(at=60)])
        assert service.applied([back])
        assert service.overview("ada")["payment"] is None
        assert service.get("/operator/reviews", by_operator())[1]["refused"] == []


def test_an_operator_ends_a_payment_and_no_read_brings_it_back(nats_url, postgres_dsn):
    buy = Purchase("ada")
    facts = [buy.paid(at=0), buy.by_operator("revoke_payment", at=60)]
    with running(nats_url, postgres_dsn) as service:
        publish(nats_url, facts)
        assert service.applied(facts)
        before = service.entitlement("ada")
        assert (before["status"], before["reason"]) == ("revoked", "revoked_by_operator")
        reads = [buy.read(at=90, via=Via.RESTORE), buy.charge_read(at=90)]
        publish(nats_url, reads)
        assert service.applied(reads)
        assert service.entitlement("ada") == before
        publish(nats_url, [undo := buy.by_operator("undo_revoke_payment", at=120)])
        assert service.applied([undo])
        assert service.entitlement("ada")["isPro"]


def test_a_fraud_warning_is_shown_and_changes_nothing(nats_url, postgres_dsn):
    buy = Purchase("ada")
    facts = [buy.paid(at=0), buy.fraud_warning(at=60)]
    with running(nats_url, postgres_dsn) as service:
        publish(nats_url, facts)
        assert service.applied(facts)
        assert (service.entitlement("ada")["isPro"], service.entitlement("ada")["version"]) == (True, 1)
        [warning] = service.get("/operator/reviews", by_operator())[1]["fraudWarnings"]
        assert (warning["userId"], warning["chargeId"], warning["actionable"]) == ("ada", buy.charge, True)
        assert service.get("/operator/explain?user=ada", by_operator())[1]["warnings"][0]["what"] == "fraud_warning"


def test_an_event_id_that_comes_again_with_other_content_is_parked_and_the_first_holds(nats_url, postgres_dsn):
    buy = Purchase("ada")
    first = buy.paid(at=0, event_id="evt_one")
    other_content = Purchase("eve", number=buy.number).paid(at=0, event_id="evt_one")
    other_type = from_stripe("charge.refunded", buy.charge_object(999), 0, "evt_one")
    with running(nats_url, postgres_dsn) as service:
        publish(nats_url, [first], message_ids=False)
        assert service.applied([first])
        publish(nats_url, [other_content, other_type], message_ids=False)
        eventually(lambda: len(parked(nats_url)) == 2, what="both parked")
        eventually(lambda: unacknowledged(nats_url) == 0)
        assert {item["reason"] for item in parked(nats_url)} == {"changed_content"}
        assert (service.entitlement("ada")["isPro"], service.entitlement("eve")["isPro"]) == (True, False)


def test_honest_repetitions_are_never_parked(nats_url, postgres_dsn):
    buy = Purchase("ada")
    first = buy.paid(at=0, event_id="evt_one")
    pulled = first.through(Via.PULL).changed(payload_hash="sha256:other", received_at=when(10**6 + 9))
    with running(nats_url, postgres_dsn) as service:
        publish(nats_url, [first, pulled, first], message_ids=False)
        assert service.applied([first])
        eventually(lambda: unacknowledged(nats_url) == 0)
        assert parked(nats_url) == []


def test_who_is_forgotten_while_a_rebuild_is_under_way_does_not_come_back(postgres_dsn):
    migrations.upgrade(postgres_dsn, "entitlements")
    asyncio.run(_folded(postgres_dsn, Purchase("mia").paid(at=0), Purchase("bob").paid(at=0)))
    query_one = "DELETE FROM payments; DELETE FROM entitlements; DELETE FROM outbox"
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute(query_one)
    forgotten = []

    def forget_in_between(done: int, total: int) -> None:
        if done == total and not forgotten:
            forgotten.append(True)
            with psycopg.connect(postgres_dsn) as connection:  # as the service does it, in a transaction of its own
                connection.execute("SELECT forget_user('mia', 'forgotten:1')")
                connection.execute("UPDATE projection_reading SET forgets = forgets + 1")

    asyncio.run(rebuild.rebuild(postgres_dsn, Policy(), forget_in_between))
    assert {row[0] for row in query(postgres_dsn, "SELECT user_id FROM entitlements")} == {"bob", "forgotten:1"}
    # The name has letters that no hexadecimal id has: "ada" stands in one random trace id of a hundred.
    assert query(postgres_dsn, "SELECT count(*) FROM outbox WHERE strpos(payload, 'mia') > 0") == [(0,)]


def test_forgetting_is_noticed_by_whoever_rebuilds(postgres_dsn):
    migrations.upgrade(postgres_dsn, "entitlements")
    asyncio.run(_folded(postgres_dsn, Purchase("ada").paid(at=0)))
    before = query(postgres_dsn, "SELECT forgets FROM projection_reading")

    async def act() -> None:
        async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
            await forget.forget(connection, "ada")

    asyncio.run(act())
    assert query(postgres_dsn, "SELECT forgets FROM projection_reading") == [(before[0][0] + 1,)]


def test_nobody_but_the_service_may_forget(postgres_dsn):
    migrations.upgrade(postgres_dsn, "entitlements")
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS stranger_{connection.info.backend_pid}")
        role = f"stranger_{connection.info.backend_pid}"
        connection.execute(f"CREATE ROLE {role}")
        connection.execute(f"SET ROLE {role}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT forget_user('ada', 'forgotten:1')")
        connection.execute("RESET ROLE")
        connection.execute(f"DROP ROLE {role}")


async def _folded(dsn, *told) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        for number, one in enumerate(told):
            async with working(connection) as work:
                await fold(work, [one.entry], Policy(), when(10**6 + number))


def test_restore_clicked_again_announces_nothing(nats_url, postgres_dsn):
    buy = Purchase("ada")
    dispute = buy.dispute()
    facts = [buy.paid(at=0), dispute.told("lost", at=10), dispute.told("appeal_under_review", at=20), dispute.told("lost", at=30)]
    with running(nats_url, postgres_dsn) as service:
        publish(nats_url, facts)
        assert service.applied(facts)
        before = service.entitlement("ada")
        reads = [dispute.read("lost", at=at) for at in range(90, 150, 10)]
        publish(nats_url, reads)
        assert service.applied(reads)
        assert service.entitlement("ada") == before
        assert len([change for change, _ in announced(nats_url) if change.startswith("ada:")]) == before["version"]
