"""Restore reads the provider again, publishes what it finds as facts, and answers honestly. No webhook comes here."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

pytestmark = pytest.mark.anyio

RESTORE_DOWN = ("internal_error", "Restore is temporarily unavailable. Please try again later.", "retry_later")


async def bought(world, user, outcome="paid") -> dict:
    """A paid session that nobody has told us of."""
    session = await world.opened(user)
    await world.pay(session, outcome)
    return await world.session(session)


async def outcome(world, user) -> tuple[str, str | None, bool]:
    answer = await world.restore(user)
    assert answer.status == 200, answer
    return answer.body["outcome"], answer.body["reason"], answer.body["entitlement"]["isPro"]


async def refund(world, session, **params) -> dict:
    return await world.stripe("post", "/v1/refunds", payment_intent=session["payment_intent"], **params)


async def dispute(world, session, **body) -> dict:
    return await world.control("POST", "/disputes", {"payment_intent": session["payment_intent"], **body})


async def test_a_purchase_that_no_webhook_told_of_is_restored(world, user):
    await bought(world, user)
    assert await outcome(world, user) == ("restored", None, True)
    assert await outcome(world, user) == ("already_active", None, True)


async def test_the_answer_carries_the_entitlement(world, user):
    await bought(world, user)
    told = (await world.restore(user)).body["entitlement"]
    assert {**told, "updatedAt": "…"} == {"isPro": True, "status": "active", "source": "stripe", "updatedAt": "…"}
    assert told["updatedAt"].endswith("Z")


async def test_who_never_bought_has_nothing_to_restore(world, user):
    assert await outcome(world, user) == ("not_found", None, False)


async def test_an_open_session_is_no_purchase(world, user):
    await world.opened(user)
    assert await outcome(world, user) == ("not_found", None, False)


async def test_an_expired_session_is_no_purchase(world, user):
    await world.control("POST", f"/checkout/{await world.opened(user)}/expire")
    assert await outcome(world, user) == ("not_found", None, False)


async def test_what_was_refunded_is_not_restored(world, user):
    await refund(world, await bought(world, user))
    assert await outcome(world, user) == ("not_eligible", "refunded", False)


async def test_what_was_refunded_in_steps_is_not_restored(world, user):
    session = await bought(world, user)
    await refund(world, session, amount=1)
    assert await outcome(world, user) == ("restored", None, True)
    await refund(world, session, amount=session["amount_total"] - 1)
    assert await outcome(world, user) == ("not_eligible", "refunded", False)


async def test_a_refund_that_bounced_gives_pro_back(world, user):
    session = await bought(world, user)
    bounced = await refund(world, session)
    assert await outcome(world, user) == ("not_eligible", "refunded", False)
    await world.later()
    await world.control("POST", f"/refunds/{bounced['id']}/fail")
    assert await outcome(world, user) == ("restored", None, True)


async def test_a_lost_dispute_is_not_restored(world, user):
    session = await bought(world, user)
    assert await outcome(world, user) == ("restored", None, True)
    opened = await dispute(world, session)
    assert await outcome(world, user) == ("already_active", None, True)
    await world.control("POST", f"/disputes/{opened['id']}", {"status": "lost"})
    assert await outcome(world, user) == ("not_eligible", "chargeback_lost", False)


async def test_a_won_dispute_leaves_pro(world, user):
    opened = await dispute(world, await bought(world, user))
    await world.control("POST", f"/disputes/{opened['id']}", {"status": "won"})
    assert await outcome(world, user) == ("restored", None, True)


async def test_a_dispute_without_a_payment_intent_is_found_by_its_charge(world, user):
    session = await bought(world, user)
    intent = await world.stripe("get", f"/v1/payment_intents/{session['payment_intent']}")
    opened = await world.control("POST", "/disputes", {"charge": intent["latest_charge"], "detached": True})
    assert opened["payment_intent"] is None
    await world.control("POST", f"/disputes/{opened['id']}", {"status": "lost"})
    assert await outcome(world, user) == ("not_eligible", "chargeback_lost", False)


async def test_a_delayed_payment_is_pending_until_it_settles(world, user):
    session = await bought(world, user, "processing")
    assert await outcome(world, user) == ("not_eligible", "payment_pending", False)
    await world.control("POST", f"/checkout/{session['id']}/settle", {"result": "succeeded"})
    assert await outcome(world, user) == ("restored", None, True)


async def test_a_delayed_payment_that_failed_is_no_purchase(world, user):
    session = await bought(world, user, "processing")
    await world.control("POST", f"/checkout/{session['id']}/settle", {"result": "failed"})
    assert await outcome(world, user) == ("not_found", None, False)


async def test_two_purchases_one_refunded_is_still_pro(world, user):
    first = await bought(world, user)
    world.change("UPDATE checkout_attempts SET state = 'complete' WHERE user_id = %s", user)
    await bought(world, user)
    await refund(world, first)
    assert await outcome(world, user) == ("restored", None, True)


async def test_a_lost_database_is_made_up_for_by_searching_our_metadata(world, user):
    await bought(world, user)
    world.change("DELETE FROM customers WHERE user_id = %s", user)
    world.change("DELETE FROM checkout_attempts WHERE user_id = %s", user)
    assert await outcome(world, user) == ("restored", None, True)
    profile = await world.ask("GET", "/internal/billing-profile", user)
    assert profile.body == {"canManageBilling": True}


async def test_a_purchase_of_a_deleted_customer_is_found_by_its_recorded_session(world, user):
    session = await bought(world, user)
    await world.stripe("delete", f"/v1/customers/{session['customer']}")
    assert await outcome(world, user) == ("restored", None, True)


async def test_the_email_of_another_buyer_restores_nothing(world, user):
    session = await world.opened(user)
    await world.control("POST", f"/checkout/{session}/pay", {"outcome": "paid", "email": "shared@example.com"})
    other = await world.stripe(
        "post", "/v1/customers", email="shared@example.com", metadata={"userId": f"{user}-other"}
    )
    world.change("INSERT INTO customers (user_id, customer_id) VALUES (%s, %s)", f"{user}-other", other["id"])
    assert await outcome(world, f"{user}-other") == ("not_found", None, False)


async def test_sessions_of_another_user_on_the_same_customer_count_for_nobody_else(world, user):
    session = await bought(world, user)
    thief = f"{user}-thief"
    world.change("DELETE FROM customers WHERE user_id = %s", user)
    world.change("INSERT INTO customers (user_id, customer_id) VALUES (%s, %s)", thief, session["customer"])
    assert await outcome(world, thief) == ("not_found", None, False)


async def test_a_paid_session_that_contradicts_itself_is_reviewed_and_grants_nobody(world, user):
    session = await world.opened(user)
    customer = (await world.session(session))["customer"]
    params = world.rows("SELECT parameters FROM checkout_attempts WHERE user_id = %s", user)[0][0]
    foreign = await world.stripe("post", "/v1/checkout/sessions", **{**params, "client_reference_id": "somebody"})
    await world.pay(foreign["id"])
    assert foreign["customer"] == customer
    assert await outcome(world, user) == ("not_eligible", "needs_review", False)
    assert await outcome(world, "somebody") == ("not_found", None, False)


async def test_more_sessions_than_a_page_holds_are_all_read(world, user):
    first = await bought(world, user)
    params = dict(world.rows("SELECT parameters FROM checkout_attempts WHERE user_id = %s", user)[0][0].items())
    await refund(world, first)
    newer = [await world.stripe("post", "/v1/checkout/sessions", **params) for _ in range(102)]
    for session in newer:
        await world.pay(session["id"])
    paid = [await world.session(session["id"]) for session in newer]
    for session in paid[1:]:
        await refund(world, session)
    # The oldest but one, on the second page, is the only one that still grants.
    assert await outcome(world, user) == ("restored", None, True)
    await refund(world, paid[0])
    assert await outcome(world, user) == ("not_eligible", "refunded", False)


async def test_many_refunds_of_one_payment_are_all_read(world, user):
    session = await bought(world, user)
    for _ in range(101):
        await refund(world, session, amount=1)
    assert await outcome(world, user) == ("restored", None, True)
    reads = [r for r in await world.requests("GET", "/v1/refunds") if r["status"] == 200]
    assert len(reads) == 2
    await refund(world, session)
    assert await outcome(world, user) == ("not_eligible", "refunded", False)


async def test_impatient_clicks_at_both_replicas_are_harmless(world, user):
    await bought(world, user)
    answers = await asyncio.gather(*(world.restore(user, at=at) for at in (world.checkout, world.replica) * 10))
    assert {answer.status for answer in answers} == {200}
    assert {answer.body["outcome"] for answer in answers} <= {"restored", "already_active"}
    assert all(answer.body["entitlement"]["isPro"] for answer in answers)


async def test_who_paid_while_an_earlier_restore_hung_gets_no_answer_of_that_one(world, user):
    session = await world.opened(user)
    await world.control("PUT", "/api", {"latency_ms": 2000})
    hanging = asyncio.create_task(world.restore(user))
    read_before = len(await world.requests("GET", "/v1/checkout/sessions"))
    while len(await world.requests("GET", "/v1/checkout/sessions")) == read_before:
        await asyncio.sleep(0.02)
    with psycopg.connect(world.checkout_dsn) as blocking:
        blocking.execute("LOCK TABLE outbox IN SHARE MODE")  # the result of a restore can't be written down
        await world.control("PUT", "/api", {})
        while not await world.requests("GET", f"/v1/checkout/sessions/{session}"):
            await asyncio.sleep(0.02)
        await world.pay(session)
        asked_again = asyncio.create_task(world.restore(user))
        done, _ = await asyncio.wait([hanging], timeout=0.2)
        assert not done
    assert (await hanging).body["outcome"] == "not_found"
    assert (await asked_again).body["outcome"] == "restored"


@pytest.mark.parametrize(("status", "retry_after"), [(500, False), (503, False), (429, True), (400, False), (401, False)])
async def test_a_failing_stripe_is_unavailable_and_changes_nothing(world, user, status, retry_after):
    session = await bought(world, user)
    await world.confirm(user, session["id"])
    await world.control("PUT", "/api", {"fail_next": 1000, "status": status})
    answer = await world.restore(user)
    assert (answer.status, answer.error) == (503, RESTORE_DOWN)
    assert ("retry-after" in answer.headers) is retry_after
    assert (await world.entitlement(user))["isPro"] is True
    await world.control("PUT", "/api", {})
    assert await outcome(world, user) == ("already_active", None, True)


async def test_facts_that_are_not_folded_in_time_are_told_as_unavailable(world, user):
    session = await bought(world, user)
    with psycopg.connect(world.entitlements_dsn) as blocking:
        blocking.execute("LOCK TABLE ledger IN SHARE MODE")  # reads go on, nothing is appended
        restored, confirmed = await asyncio.gather(world.restore(user), world.confirm(user, session["id"]))
    assert (restored.status, restored.error) == (503, RESTORE_DOWN)
    assert (confirmed.status, confirmed.body["outcome"]) == (200, "processing")
    assert await outcome(world, user) in {("restored", None, True), ("already_active", None, True)}


async def test_without_the_entitlements_service_restore_is_unavailable(world, user):
    await bought(world, user)
    with world.start_another("no-entitlements", ENTITLEMENTS_URL="http://127.0.0.1:9") as lonely:
        answer = await world.restore(user, at=lonely)
    assert (answer.status, answer.error) == (503, RESTORE_DOWN)


async def test_without_the_broker_restore_is_unavailable(world, user):
    await bought(world, user)
    with world.start_another("no-broker", NATS_URL="nats://127.0.0.1:9", ready="/healthz") as cut_off:
        answer = await world.restore(user, at=cut_off)
        assert (answer.status, answer.error) == (503, RESTORE_DOWN)
        ready = await world.ask("GET", "/readyz", at=cut_off)
        assert (ready.status, ready.body) == (503, {"status": "unavailable", "failing": ["broker"]})
    assert (await world.entitlement(user))["isPro"] is False


async def test_request_and_result_are_in_the_ledger(world, user):
    await bought(world, user)
    await world.restore(user)
    await world.restore(f"{user}-without")
    facts = await world.billing_events()
    mine = [fact for fact in facts if fact["data"]["userId"] == user and fact["data"]["restore"]]
    assert [fact["type"].rsplit(".", 1)[1] for fact in mine] == ["restore_requested", "restore_succeeded"]
    assert mine[1]["data"]["restore"] == {"trigger": "account", "outcome": "restored", "reason": None}
    assert mine[0]["data"]["idempotencyKey"] != mine[1]["data"]["idempotencyKey"]
    theirs = [f for f in facts if f["data"]["userId"] == f"{user}-without"]
    assert [f["type"].rsplit(".", 1)[1] for f in theirs] == ["restore_requested", "restore_failed"]


async def test_a_bad_trigger_is_refused(world, user):
    for body in ({}, {"trigger": "cron"}, {"trigger": "account", "userId": "somebody"}, []):
        answer = await world.ask("POST", "/internal/restore", user, body)
        assert (answer.status, answer.error) == (
            400,
            ("invalid_request", "Invalid restore request.", "update_input"),
        )
