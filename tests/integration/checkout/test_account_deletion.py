"""The web app's door: an account that is deleted there is forgotten here, everywhere, however often it is asked."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from urllib.parse import quote

import psycopg
import pytest

from atlas_contracts.callers import forget_path
from support.identity import token

pytestmark = pytest.mark.anyio

APP = {"issuer": "atlas-web"}


async def forget(world, user, query="", *, subject=None, **where):
    return await world.ask("POST", f"/internal/v1/users/{quote(user, safe='')}/forget{query}", subject or user, **{**APP, **where})


async def bought(world, user, outcome="paid"):
    session = await world.opened(user)
    await world.pay(session, outcome)
    if outcome == "paid":
        assert (await world.confirm(user, session)).status == 200
        deadline = time.monotonic() + 10
        while not (await world.entitlement(user))["isPro"]:
            assert time.monotonic() < deadline
    return await world.session(session)


def in_ledger(world, user) -> int:
    """Facts, payments and verdicts that still have the user's name."""
    with psycopg.connect(world.entitlements_dsn) as connection:
        return sum(
            connection.execute(f"SELECT count(*) FROM {table} WHERE user_id = %s", (user,)).fetchone()[0]
            for table in ("ledger", "payments", "entitlements")
        )


async def test_the_app_has_a_user_forgotten_at_stripe_here_and_in_the_ledger(world, user):
    session = await bought(world, user)
    answer = await forget(world, user)
    assert answer.status == 200, answer
    assert (answer.body["known"], answer.body["sessions"]) == (True, 1) and answer.body["facts"] >= 2
    places = [place["place"] for place in answer.body["places"]]
    assert f"checkout session {session['id']} at Stripe" in places
    assert places[-7:] == [
        "database of checkout", "ledger and projection", "broker: BILLING", "broker: ENTITLEMENTS", "broker: PARKED",
        "broker: ENTITLEMENT_STATE", "Stripe",
    ]  # fmt: skip
    done = {place["place"]: place["done"] for place in answer.body["places"]}
    assert done["broker: ENTITLEMENT_STATE"].startswith("no entry of the user")
    ends = {place["place"]: place["until"] for place in answer.body["places"] if place["until"]}
    days = {place: (datetime.fromisoformat(until) - datetime.now(UTC)).total_seconds() / 86_400 for place, until in ends.items()}
    assert {place: round(left) for place, left in days.items()} == {"broker: BILLING": 400, "broker: ENTITLEMENTS": 90}
    assert "userId" not in (await world.session(session["id"]))["metadata"]
    assert in_ledger(world, user) == 0
    told = await world.entitlement(user)
    assert (told["isPro"], told["status"], told["version"]) == (False, "none", 0)
    again = await forget(world, user)
    assert (again.status, again.body["known"], again.body["sessions"], again.body["facts"]) == (200, False, 0, 0)


async def test_stripes_event_about_an_open_session_that_was_closed_does_not_bring_the_user_back(world, user):
    session_id = await world.opened(user)
    assert (await forget(world, user)).status == 200
    assert (await world.session(session_id))["status"] == "expired"
    ended = (await world.stripe("get", "/v1/events?type=checkout.session.expired"))["data"]
    [event] = [event for event in ended if event["data"]["object"]["id"] == session_id]
    assert "userId" not in event["data"]["object"]["metadata"]


async def test_without_the_entitlements_service_nothing_is_done_and_asking_again_does_it_all(world, user):
    """It alone knows all sessions of the user: it is asked first."""
    session = await bought(world, user)
    with world.start_another("without-entitlements", ENTITLEMENTS_URL="http://127.0.0.1:9") as alone:
        answer = await forget(world, user, at=alone)
        assert answer.status == 503
        assert answer.error[1].startswith("Not everything was forgotten") and answer.error[2] == "retry_later"
        assert (await world.session(session["id"]))["metadata"]["userId"] == user
        assert in_ledger(world, user) > 0
    healed = await forget(world, user)
    assert (healed.status, healed.body["known"], healed.body["sessions"]) == (200, True, 1) and healed.body["facts"] >= 2
    assert in_ledger(world, user) == 0


async def test_a_death_before_the_parked_events_is_healed_by_asking_again(world, user):
    await bought(world, user)
    with world.start_another("without-ingest", WEBHOOK_INGEST_URL="http://127.0.0.1:9") as alone:
        answer = await forget(world, user, at=alone)
        assert answer.status == 503 and answer.error[1].startswith("Not everything was forgotten")
    healed = await forget(world, user)
    assert healed.status == 200 and "broker: PARKED" in [place["place"] for place in healed.body["places"]]


async def test_a_stripe_that_fails_in_the_middle_is_healed_by_asking_again(world, user):
    session = await bought(world, user)
    for status in (500, 429):
        await world.control("PUT", "/api", {"fail_next": 1000, "status": status})
        assert (await forget(world, user)).status == 503
        await world.control("PUT", "/api", {})
        assert in_ledger(world, user) > 0 and world.rows("SELECT count(*) FROM checkout_attempts WHERE user_id = %s", user) == [(1,)]
    assert (await forget(world, user)).status == 200
    assert "userId" not in (await world.session(session["id"]))["metadata"] and in_ledger(world, user) == 0


async def test_while_a_payment_is_processed_nobody_is_forgotten_unless_it_is_meant(world, user):
    session = await bought(world, user, "processing")
    refused = await forget(world, user)
    assert refused.status == 409
    assert session["id"] in refused.error[1] and "even_if_paying=true" in refused.error[1]
    assert (await world.session(session["id"]))["metadata"]["userId"] == user
    assert (await forget(world, user, "?even_if_paying=false")).status == 409
    assert (await forget(world, user, "?even_if_paying=perhaps")).status == 400
    assert (await forget(world, user, "?even_if_paying=true")).status == 200
    assert "userId" not in (await world.session(session["id"]))["metadata"]


async def test_what_stripe_has_forgotten_is_named_and_keeps_nobody_from_being_forgotten(world, user):
    paid = await bought(world, user)
    world.change("UPDATE checkout_attempts SET state = 'complete' WHERE user_id = %s", user)
    world.change(
        "INSERT INTO checkout_attempts (id, user_id, customer_id, price_id, source, state, parameters, expires_at,"
        " checkout_session_id) SELECT gen_random_uuid(), user_id, customer_id, price_id, source, 'expired', '{}',"
        " expires_at, %s FROM checkout_attempts WHERE user_id = %s",
        f"cs_test_{user.removeprefix('user_')}",
        user,
    )
    await world.stripe("delete", f"/v1/customers/{paid['customer']}")
    answer = await forget(world, user)
    assert (answer.status, answer.body["sessions"]) == (200, 1)
    done = {place["place"]: place["done"] for place in answer.body["places"]}
    assert done[f"checkout session cs_test_{user.removeprefix('user_')}"].startswith("gone already")
    assert done[f"customer {paid['customer']} at Stripe"].startswith("gone already")
    assert done[f"checkout session {paid['id']} at Stripe"] == "user id erased"
    assert world.rows("SELECT count(*) FROM checkout_attempts WHERE user_id = %s", user) == [(0,)]


async def test_somebody_unknown_is_a_success_that_says_so(world, user):
    answer = await forget(world, user)
    assert (answer.status, answer.body["known"], answer.body["facts"], answer.body["sessions"]) == (200, False, 0, 0)


@pytest.mark.parametrize("odd", ["team/ada", "..", ".", "a b?c#d%2Fe", "ada@atlas.example", "Zoë 🦊", "x/forget"])
async def test_a_user_id_of_any_spelling_is_forgotten_under_that_very_name(world, user, odd):
    odd = f"{user}{odd}" if odd.strip(".") else odd
    with psycopg.connect(world.entitlements_dsn) as connection:
        connection.execute("INSERT INTO entitlements (user_id, is_pro, status, version, reason, caused_by, updated_at) VALUES (%s, false, 'none', 1, 'x', 'x', now()) ON CONFLICT DO NOTHING", (odd,))
    answer = await forget_as_written(world, forget_path(odd), odd)
    assert answer == 200
    assert in_ledger(world, odd) == 0, "entitlements was asked for this name and no other"


async def forget_as_written(world, path, subject) -> int:
    """The client of the tests would tidy a path up."""
    from yarl import URL

    bearer = token("atlas-web", "checkout", subject)
    async with world.http.post(URL(world.checkout + path, encoded=True), headers={"authorization": f"Bearer {bearer}"}) as answer:
        return answer.status


@pytest.mark.parametrize("bad", ["%20ada", "ada%00", "a" * 256, "%E2%80%8Bada"])
async def test_what_is_no_user_id_is_refused(world, bad):
    answer = await world.ask("POST", f"/internal/v1/users/{bad}/forget", "atlas-web", **APP)
    assert (answer.status, answer.error[0]) == (400, "invalid_request")


async def test_a_token_opens_the_deletion_of_its_own_user_and_the_apps_own_token_that_of_any(world, user):
    assert (await forget(world, user, subject="somebody-else")).status == 403
    assert (await forget(world, user, subject="atlas-web")).status == 200
    for issuer in ("account-gateway", "entitlements", "webhook-ingest", "operator"):
        assert (await forget(world, user, issuer=issuer)).status == 403
    assert (await forget(world, user, token="nonsense")).status == 401


async def test_the_door_of_entitlements_is_open_to_checkout_alone(world, user):
    where = {"at": world.entitlements, "audience": "entitlements"}
    for issuer in ("atlas-web", "operator", "account-gateway"):
        assert (await forget(world, user, **where, issuer=issuer)).status == 403
    assert (await forget(world, user, **where, issuer="checkout", subject="somebody-else")).status == 403
    assert (await forget(world, user, **where, issuer="checkout")).body == {"facts": 0, "entryRemoved": True}
