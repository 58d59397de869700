"""The situations of docs/runbook.md in which a part of the system is broken, and those that a table of slower tests plays."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg

from atlas_contracts.streams import BILLING
from support import runbook
from support.buyer import Buyer
from support.entitlements import on_broker
from support.faults.alerting import (
    NUMBERS,
    broker_down,
    database_down,
    deliver,
    dsn,
    outbox_stuck,
    projector_stuck,
    refusing,
    wrong_secret,
)
from support.runbook import (
    BACK,
    BROKER,
    BUCKET,
    DATABASE,
    FORGOTTEN,
    FRAUD,
    LOGS,
    LOST,
    MOVED_IN,
    PAID,
    PARKED,
    PROJECTION,
    RETENTION,
    ROLLING,
    WORKER,
    Scene,
    page,
)
from support.stack import Stack, eventually

SECONDS_OF_A_DAY = 86_400


def forgotten(stack: Stack) -> Scene:
    buyer = Buyer(stack)
    session = buyer.open_checkout()
    buyer.pay(session, "processing")
    eventually(lambda: buyer.get("/api/billing/overview")["payment"], what="the bank debit is on its way")
    assert stack.atlas("forget", buyer.user, "--yes").returncode == 1, "its money would be nobody's"
    buyer.sandbox("POST", f"/_sandbox/checkout/{session}/settle", {"result": "succeeded"})
    eventually(buyer.is_pro, what="it has settled")
    said = yield page(FORGOTTEN, USER_ID=buyer.user)
    assert "BILLING" in said and "until" in said
    assert stack.atlas("export", buyer.user).returncode == 1, "nothing is kept"


def retention(stack: Stack) -> Scene:
    secrets = json.loads((stack.home / "secrets.json").read_text())["nats"]
    parts = urlsplit(stack.json["nats"]["url"])
    url = urlunsplit(parts._replace(netloc=f"keeper:{secrets['keeper']}@{parts.hostname}:{parts.port}"))  # nobody else may change a stream

    async def shorten(client) -> None:
        config = (await client.jetstream().stream_info(BILLING.name)).config
        await client.jetstream().update_stream(config.evolve(max_age=30.0 * SECONDS_OF_A_DAY))

    async def days(client) -> float:
        return float((await client.jetstream().stream_info(BILLING.name)).config.max_age) / SECONDS_OF_A_DAY

    on_broker(url, shorten, "_INBOX_keeper")
    assert "BILLING keeps its messages for 30 days" in stack.atlas("doctor").stdout
    yield page(RETENTION)
    assert on_broker(url, days, "_INBOX_keeper") == 400


def lines_of_a_user(stack: Stack) -> Scene:
    buyer = Buyer(stack)
    buyer.buy()
    said = yield page(LOGS, USER_ID=buyer.user)
    assert "billing.checkout.initiated" in said and buyer.user not in said


def new_version(stack: Stack) -> Scene:
    """What is looked at after it; the rolling itself is e2e/faults/test_rolling.py's."""
    stack.down()
    stack.up()
    said = yield page(ROLLING)
    assert "0 differences" in said and "Nothing is parked" in said


def broker_away(stack: Stack) -> Scene:
    pro, other = Buyer(stack), Buyer(stack)
    pro.buy()
    number = next(NUMBERS)
    with broker_down(stack):
        assert deliver(stack, number) == 503
        said = yield page(BROKER, 1)
        assert re.search(r"nats (is down|does not answer)", said)
        assert pro.is_pro(), "reads work"
        assert pro.post("/api/billing/stripe/portal")["url"]
        session = other.open_checkout()
        yield page("AtlasBrokerDown", 1)
        assert '"consumer"' in eventually(lambda: "consumer" in ready(stack, "entitlements") and ready(stack, "entitlements"), what="/readyz names it")
        assert "consumer" in (yield page("AtlasWorkerFailing"))
    eventually(lambda: deliver(stack, number) == 200, 90, "taken again")
    other.pay(session)
    eventually(other.is_pro, 90, "everything resumes by itself")
    eventually(lambda: "failing" not in ready(stack, "entitlements") or not json.loads(ready(stack, "entitlements"))["failing"], 60, "ready again")


def broker_hangs(stack: Stack) -> Scene:
    number = next(NUMBERS)
    os.kill(stack.pid("nats"), signal.SIGSTOP)
    try:
        assert deliver(stack, number) == 503
        assert "broker.not_confirmed" in (yield page("AtlasWebhooksRefused"))
    finally:
        os.kill(stack.pid("nats"), signal.SIGCONT)
    eventually(lambda: deliver(stack, number) == 200, 90, "nothing is lost: Stripe sends it again")


def ready(stack: Stack, service: str) -> str:
    return httpx.get(stack.url(service) + "/readyz", timeout=10).text


def database_away(stack: Stack) -> Scene:
    buyer = Buyer(stack)
    buyer.buy()
    late = Buyer(stack)
    session = late.open_checkout()
    with database_down(stack):
        assert re.search(r"postgres (is down|does not answer)", (yield page(DATABASE, 1)))
        answer = eventually(lambda: refused(buyer.browser.get("/api/pro/entitlement")), what="reads answer 503")
        assert answer["recovery"] == "retry_later"
        late.pay(session)
        assert deliver(stack, next(NUMBERS)) == 200, "webhooks are still accepted"
        assert "error connecting in 'pool-1'" in (yield page("AtlasDatabaseDown"))
    eventually(late.is_pro, 90, "the projector folds what waited")


def refused(answer: httpx.Response) -> dict[str, str] | None:
    return answer.json()["error"] if answer.status_code == 503 else None


def service_gone(stack: Stack) -> Scene:
    buyer = Buyer(stack)
    supervisor = json.loads((stack.home / "run" / "state.json").read_text())["supervisor"]
    os.kill(supervisor, signal.SIGSTOP)  # it would start the service again at once
    try:
        os.kill(stack.pid("checkout"), signal.SIGKILL)
        assert "checkout" in (yield page("AtlasServiceDown", SERVICE="checkout"))
        assert buyer.browser.post("/api/billing/stripe/checkout", json={}).status_code == 503
        assert not buyer.is_pro(), "others go on"
    finally:
        os.kill(supervisor, signal.SIGCONT)
    eventually(lambda: buyer.browser.post("/api/billing/stripe/checkout", json={}).is_success, 90, "started again")


def stripe_away(stack: Stack) -> Scene:
    with refusing(stack):
        assert Buyer(stack).browser.post("/api/billing/stripe/checkout", json={}).status_code == 503
        assert "Stripe answers 503" in (yield page("AtlasStripeFailing", 0, 1))
        assert stack.atlas("pull").returncode == 1
        assert "stripe_unavailable" in (yield page("AtlasPullFailing", 0, 1))
        assert "billing.pull.failed" in (yield page("AtlasPullBehind"))
    yield page("AtlasStripeFailing")
    assert Buyer(stack).open_checkout()
    yield page("AtlasPullFailing")
    yield page("AtlasPullBehind")
    assert "pull failed" not in stack.atlas("doctor").stdout


def signatures(stack: Stack) -> Scene:
    with wrong_secret(stack):
        said = yield page("AtlasWebhookSignaturesRefused", 0, 1)  # an error where it is most of them
        assert "had a wrong signature" in said and "the clock agrees" in said
    yield page("AtlasWebhookSignaturesRefused")


def outbox(stack: Stack) -> Scene:
    with outbox_stuck(stack):
        eventually(lambda: "outbox.waiting" in stack.atlas("logs", "entitlements", "-n", "1000").stdout, what="the log says so")
        assert "outbox.waiting" in (yield page("AtlasOutboxStuck"))
        holders = json.loads((yield page("AtlasOutboxStuck")))
        [pid] = [row["pid"] for row in holders if row["application_name"] != "atlas-outbox"]
        yield page("AtlasOutboxStuck", PID=str(pid))
        eventually(lambda: "the outbox is drained" in stack.atlas("doctor").stdout, what="another takes the lock")


def projector(stack: Stack) -> Scene:
    buyer = Buyer(stack)
    session = buyer.open_checkout()
    with contextlib.suppress(psycopg.errors.AdminShutdown), projector_stuck(stack):  # the session that holds it is ended by the page
        buyer.pay(session)
        assert (yield page("AtlasProjectorStuck"))
        waiting = eventually(lambda: [row for row in held(stack) if row], what="somebody waits for the lock")
        rows = json.loads((yield page("AtlasProjectorStuck")))
        assert waiting[0] in [row["held_by"] for row in rows]
        yield page("AtlasProjectorStuck", PID=str(waiting[0][0]))
        eventually(buyer.is_pro, 60, "the durable keeps its place")


def held(stack: Stack) -> list[list[int]]:
    with psycopg.connect(dsn(stack)) as database:
        return [row[0] for row in database.execute("SELECT pg_blocking_pids(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'")]


def unforeseen(stack: Stack) -> Scene:
    """A table that is gone is an error that nobody foresaw."""
    secrets = json.loads((stack.home / "secrets.json").read_text())["postgres"]
    parts = urlsplit(dsn(stack))
    owner = urlunsplit(parts._replace(netloc=f"entitlements_owner:{secrets['entitlements_owner']}@{parts.hostname}:{parts.port}"))
    buyer = Buyer(stack)
    assert not buyer.is_pro()
    with psycopg.connect(owner, autocommit=True) as database:
        database.execute("ALTER TABLE entitlements RENAME TO elsewhere")
        try:
            assert buyer.browser.get("/api/pro/entitlement").status_code >= 500
            assert "UndefinedTable" in (yield page("AtlasUnforeseenErrors", SERVICE="entitlements"))
        finally:
            database.execute("ALTER TABLE elsewhere RENAME TO entitlements")
    assert not buyer.is_pro()


SCENES: dict[Callable[[Stack], Scene], tuple[str, ...]] = {
    runbook.paid_and_not_pro: (PAID, "AtlasPaymentRefused"),
    runbook.money_back: (BACK,),
    runbook.webhooks_were_down: (LOST, "AtlasAuditWrong", "AtlasAuditOverdue"),
    runbook.webhooks_were_off: (MOVED_IN,),
    runbook.parked: (PARKED, "AtlasEventsParked"),
    runbook.fraud: (FRAUD,),
    runbook.projection: (PROJECTION,),
    runbook.bucket: (BUCKET,),
    forgotten: (FORGOTTEN,),
    retention: (RETENTION,),
    lines_of_a_user: (LOGS,),
    broker_away: (BROKER, WORKER, "AtlasBrokerDown", "AtlasWorkerFailing"),
    broker_hangs: ("AtlasWebhooksRefused",),
    database_away: (DATABASE, "AtlasDatabaseDown"),
    service_gone: ("AtlasServiceDown",),
    stripe_away: ("AtlasStripeFailing", "AtlasPullFailing", "AtlasPullBehind"),
    outbox: ("AtlasOutboxStuck",),
    projector: ("AtlasProjectorStuck",),
    unforeseen: ("AtlasUnforeseenErrors",),
    new_version: (ROLLING,),
    signatures: ("AtlasWebhookSignaturesRefused",),
}
"""Which sections each scene plays, with all their blocks. The last one leaves what doctor tells for an hour."""
PLAYED_ELSEWHERE = {
    "AtlasStorageFull": (
        "e2e/faults/test_alerts.py::test_a_fault_fires_its_alert_and_none_beyond_its_consequences_and_clears",
        "e2e/faults/test_full_disk.py::test_a_full_disk_of_the_broker_refuses_and_loses_nothing",
        "e2e/faults/test_full_disk.py::test_a_full_disk_of_postgres_keeps_webhooks_and_reads_and_heals_by_itself",
    ),
    ROLLING: (
        "e2e/faults/test_rolling.py::test_services_of_both_versions_understand_each_other_whoever_asks",
        "e2e/faults/test_rolling.py::test_what_a_newer_door_tells_an_older_ledger_counts_after_the_upgrade",
    ),
    # ENTITLEMENTS made anew: on a stack nobody can delete that stream.
    BUCKET: ("tests/integration/entitlements/test_republishing.py::test_a_remade_stream_gets_every_users_present_state_once",),
    "A node of the broker's cluster is behind, damaged or empty": (
        "e2e/faults/test_damaged_stores.py::test_a_node_with_a_damaged_store_heals_from_the_others",
        "e2e/faults/test_damaged_stores.py::test_what_the_broker_alone_had_comes_back_after_the_loss_of_its_stores",
    ),
    "The primary database is lost": ("e2e/faults/test_cluster.py::test_writes_go_on_within_seconds_of_a_promotion_without_a_restart",),
}
"""What of a section takes minutes, a machine of its own or rights that a stack gives nobody: the test that brings it about and sees it heal."""
