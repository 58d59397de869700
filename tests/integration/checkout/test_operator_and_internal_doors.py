"""Operator's views, the sweep, resolving a charge; and who may come in at all."""

from __future__ import annotations

import asyncio
import json
import time

import psycopg
import pytest

from support.identity import STRANGER, claims, key_of, signed, token

pytestmark = pytest.mark.anyio

OPERATOR = {"issuer": "operator"}


async def provider_state(world, query="") -> list[dict]:
    answer = await world.ask("GET", f"/operator/provider-state{query}", **OPERATOR)
    assert answer.status == 200, answer
    lines = [json.loads(line) for line in answer.body["raw"].splitlines()]
    assert lines.pop() == {"done": True, "payments": len(lines)}
    return lines


async def bought(world, user, outcome="paid") -> dict:
    session = await world.opened(user)
    await world.pay(session, outcome)
    return await world.session(session)


async def applied(world, event_ids) -> bool:
    answer = await world.ask(
        "POST", "/internal/applied", body={"eventIds": event_ids, "timeoutMs": 5000},
        at=world.entitlements, audience="entitlements", issuer="checkout",
    )  # fmt: skip
    return answer.body["applied"]


async def eventually_pro(world, user) -> bool:
    deadline = time.monotonic() + 5
    while not (pro := (await world.entitlement(user))["isPro"]) and time.monotonic() < deadline:
        pass
    return pro


async def test_the_providers_final_state_of_every_kind(world, user):
    paid = await bought(world, f"{user}-paid")
    refunded = await bought(world, f"{user}-refunded")
    await world.stripe("post", "/v1/refunds", payment_intent=refunded["payment_intent"])
    partly = await bought(world, f"{user}-partly")
    await world.stripe("post", "/v1/refunds", payment_intent=partly["payment_intent"], amount=100)
    lost = await bought(world, f"{user}-lost")
    dispute = await world.control("POST", "/disputes", {"payment_intent": lost["payment_intent"]})
    await world.control("POST", f"/disputes/{dispute['id']}", {"status": "lost"})
    await bought(world, f"{user}-pending", "processing")
    await world.opened(f"{user}-open")
    lines = {line["userId"].removeprefix(f"{user}-"): line for line in await provider_state(world, "?days=1") if user in line["userId"]}
    told = {name: (line["paid"], line["shouldGrant"], line["because"], line["disputeStatus"]) for name, line in lines.items()}
    assert told == {
        "paid": (True, True, "paid", None),
        "refunded": (True, False, "refunded", None),
        "partly": (True, True, "paid", None),
        "lost": (True, False, "chargeback_lost", "lost"),
        "pending": (False, False, "payment_pending", None),
    }
    assert lines["partly"]["amountRefunded"] == 100
    assert lines["paid"]["paymentIntentId"] == paid["payment_intent"]
    assert lines["paid"]["checkoutSessionId"] == paid["id"]
    assert lines["paid"]["amount"] == paid["amount_total"]
    alone = await provider_state(world, f"?user={user}-lost")
    assert [line["because"] for line in alone] == ["chargeback_lost"]


async def test_when_stripe_is_away_there_is_no_half_answer(world):
    await world.control("PUT", "/api", {"fail_next": 1000, "status": 500})
    assert (await world.ask("GET", "/operator/provider-state", **OPERATOR)).status == 503


async def test_a_sweep_tells_the_ledger_what_stripe_says_now(world, user):
    by_session, by_intent = await bought(world, f"{user}-1"), await bought(world, f"{user}-2")
    answer = await world.ask(
        "POST",
        "/operator/sweep",
        body={"checkoutSessionIds": [by_session["id"], "cs_test_gone"], "paymentIntentIds": [by_intent["payment_intent"], "pi_gone"]},
        **OPERATOR,
    )
    assert answer.status == 200
    assert answer.body["payments"] == 2 and answer.body["facts"] == 4
    assert set(answer.body["missing"]) == {"cs_test_gone", "pi_gone"}
    for buyer in (f"{user}-1", f"{user}-2"):
        assert await eventually_pro(world, buyer)


async def test_a_charge_is_resolved_to_its_payment(world, user):
    session = await bought(world, user)
    charge = (await world.stripe("get", f"/v1/payment_intents/{session['payment_intent']}"))["latest_charge"]
    answer = await world.ask("POST", f"/internal/charges/{charge}/resolve", issuer="entitlements")
    assert answer.status == 200
    assert answer.body["paymentIntentId"] == session["payment_intent"]
    assert await applied(world, [answer.body["eventId"]])
    missing = await world.ask("POST", "/internal/charges/ch_nothing/resolve", issuer="entitlements")
    assert missing.status == 404


USER_ROUTES = [
    ("POST", "/internal/checkout-sessions", {"source": "hero"}),
    ("POST", "/internal/portal-sessions", None),
    ("GET", "/internal/billing-profile", None),
    ("GET", "/internal/price", None),
    ("POST", "/internal/restore", {"trigger": "account"}),
    ("POST", "/internal/confirm", {"checkoutSessionId": "cs_test_1"}),
]
OTHER_ROUTES = [
    ("POST", "/internal/charges/ch_1/resolve", None),
    ("GET", "/operator/provider-state", None),
    ("POST", "/operator/sweep", {}),
    ("POST", "/operator/forget", {"userId": "u"}),
    ("POST", "/internal/v1/users/u/forget", None),
]


@pytest.mark.parametrize(("method", "path", "body"), USER_ROUTES + OTHER_ROUTES)
async def test_no_door_opens_to_a_forged_token(world, method, path, body):
    for forged in forged_tokens():
        answer = await world.ask(method, path, body=body, token=forged)
        assert (answer.status, answer.error) == (401, ("unauthorized", "Not authenticated.", "reauth"))
    assert (await world.control("GET", "/requests"))["data"] == []


@pytest.mark.parametrize(("method", "path", "body"), USER_ROUTES + OTHER_ROUTES)
async def test_no_door_opens_to_another_services_token(world, method, path, body):
    answer = await world.ask(method, path, body=body, issuer=STRANGER)
    assert answer.status == 403


@pytest.mark.parametrize(("method", "path", "body"), USER_ROUTES)
async def test_an_operator_is_no_user(world, method, path, body):
    assert (await world.ask(method, path, body=body, **OPERATOR)).status == 403


@pytest.mark.parametrize(("method", "path", "body"), OTHER_ROUTES)
async def test_the_gateway_is_no_operator(world, method, path, body):
    assert (await world.ask(method, path, body=body)).status == 403


async def test_a_user_id_that_nothing_could_hold_is_nobody(world):
    for odd in ("a\x00b", "line\nbreak", "a" * 256):
        assert (await world.open(odd)).status == 401


async def test_an_unforeseen_error_tells_nothing(world, user):
    world.change("ALTER TABLE customers RENAME TO customers_away")
    try:
        answer = await world.ask("GET", "/internal/billing-profile", user)
    finally:
        world.change("ALTER TABLE customers_away RENAME TO customers")
    assert (answer.status, answer.error) == (500, ("internal_error", "Internal server error.", "retry"))


async def test_hosted_pages_and_keys_are_never_logged(world, user):
    session = await world.opened(user)
    url = (await world.session(session))["url"]
    await world.pay(session)
    await world.confirm(user, session)
    await world.ask("POST", "/internal/portal-sessions", user)
    await world.control("PUT", "/api", {"fail_next": 1000, "status": 400})
    await world.restore(user)
    logs = "".join(path.read_text() for path in world.logs.glob("*.log") if path.name != "sandbox.log")
    assert "billing.checkout.initiated" in logs and "stripe.request_refused" in logs
    for secret in (url, "/c/pay/", "/p/session/", "sk_test_", key_of("checkout")["d"]):
        assert secret not in logs, secret


def forged_tokens() -> list[str]:
    now = int(time.time())

    def made(generation: int = 0, **changes) -> str:
        return signed(claims("account-gateway", "checkout", "u", **changes), key_of("account-gateway", generation))

    good = token("account-gateway", "checkout", "u")
    return [
        "nonsense",
        made(generation=1),
        made(aud="entitlements"),
        made(aud=...),
        made(iat=now - 120, exp=now - 60),
        made(sub=""),
        made(sub=...),
        good[:-4] + "AAAA",
        "eyJhbGciOiJub25lIn0." + good.split(".")[1] + ".",
    ]


async def test_a_forgotten_user_is_found_nowhere_any_more(world, user):
    session = await bought(world, user)
    world.change("UPDATE checkout_attempts SET state = 'complete' WHERE user_id = %s", user)
    still_open = await world.opened(user)
    await told_of(world, user, 2)
    answer = await world.ask("POST", "/operator/forget", body={"userId": user}, **OPERATOR)
    assert (answer.status, answer.body["sessions"]) == (200, 2)
    intent = await world.stripe("get", f"/v1/payment_intents/{session['payment_intent']}")
    places = {place["place"]: place["done"] for place in answer.body["places"]}
    kept = {place: places.pop(place) for place in ("broker: BILLING", "broker: ENTITLEMENTS", "broker: PARKED", "broker: ENTITLEMENT_STATE", "Stripe")}
    assert all("until" in done or place in ("Stripe", "broker: PARKED", "broker: ENTITLEMENT_STATE") for place, done in kept.items()), kept
    assert places == {
        f"charge {intent['latest_charge']} at Stripe": "user id erased",
        f"payment {intent['id']} at Stripe": "user id erased",
        f"checkout session {session['id']} at Stripe": "user id erased",
        f"checkout session {still_open} at Stripe": "user id erased",
        f"customer {session['customer']} at Stripe": "user id erased",
        "database of checkout": "rows deleted: 3",
        "ledger and projection": f"facts kept without a name: {answer.body['facts']}",
    }
    assert answer.body["known"] and answer.body["facts"] >= 1
    told = [
        await world.session(session["id"]),
        await world.session(still_open),
        intent,
        await world.stripe("get", f"/v1/charges/{intent['latest_charge']}"),
        await world.stripe("get", f"/v1/customers/{session['customer']}"),
    ]
    assert [user in str(one["metadata"]) for one in told] == [False] * 5
    assert told[1]["status"] == "expired"
    for table in ("customers", "checkout_attempts"):
        assert world.rows(f"SELECT count(*) FROM {table} WHERE user_id = %s", user) == [(0,)]
    assert await provider_state(world, f"?user={user}") == []
    again = await world.ask("POST", "/operator/forget", body={"userId": user}, **OPERATOR)
    done = {place["place"]: place["done"] for place in again.body["places"]}
    assert (again.status, again.body["known"], again.body["sessions"], again.body["facts"]) == (200, False, 0, 0)
    assert (done["database of checkout"], done["ledger and projection"]) == ("rows deleted: 0", "facts kept without a name: 0")
    assert (await world.restore(user)).body["outcome"] == "not_found"


async def told_of(world, user, facts) -> None:
    """Wait until the ledger holds that many facts about the user."""
    deadline = time.monotonic() + 10
    with psycopg.connect(world.entitlements_dsn, autocommit=True) as ledger:
        while ledger.execute("SELECT count(*) FROM ledger WHERE user_id = %s", (user,)).fetchone()[0] < facts:
            assert time.monotonic() < deadline


async def forget(world, user, **more):
    return await world.ask("POST", "/operator/forget", body={"userId": user, **more}, **OPERATOR)


async def test_somebody_whose_payment_is_under_way_is_not_forgotten_by_accident(world, user):
    session = await bought(world, user, "processing")
    refused = await forget(world, user)
    assert refused.status == 409
    code, message, recovery = refused.error
    assert (code, recovery) == ("invalid_request", "none")
    assert session["id"] in message and "14 days" in message and "--even-if-paying" in message
    assert (await world.session(session["id"]))["metadata"]["userId"] == user
    assert world.rows("SELECT count(*) FROM checkout_attempts WHERE user_id = %s", user) == [(1,)]
    assert (await forget(world, user, evenIfPaying=True)).status == 200
    assert "userId" not in (await world.session(session["id"]))["metadata"]


async def test_a_session_without_a_customer_is_found_on_the_second_look_too(world, user):
    """Case 7: metadata and no customer, webhooks dropped, paid: the first look's session ids lead the second."""
    params = {
        "mode": "payment",
        "line_items": [{"price": "price_pro_lifetime", "quantity": 1}],
        "metadata": {"userId": user, "productKey": "pro_lifetime_v1"},
        "success_url": "https://app.example/done",
    }
    session = await world.stripe("post", "/v1/checkout/sessions", **params)
    await world.pay(session["id"])
    assert [line["checkoutSessionId"] for line in await provider_state(world, "?days=1") if line["userId"] == user] == [session["id"]]
    assert await provider_state(world, f"?user={user}") == []
    again = await provider_state(world, f"?user={user}&session={session['id']}&session=cs_test_gone&session=nonsense!")
    assert [(line["checkoutSessionId"], line["shouldGrant"], line["refused"]) for line in again] == [(session["id"], True, None)]
    assert await provider_state(world, f"?user={user}-other&session={session['id']}") == []


async def test_a_sweep_that_fails_stops_as_a_whole(world, user):
    await world.control("PUT", "/api", {"fail_next": 10_000, "status": 500})
    ids = [f"cs_test_{user.removeprefix('user_')}{number}" for number in range(100)]
    answer = await world.ask("POST", "/operator/sweep", body={"checkoutSessionIds": ids}, **OPERATOR)
    assert answer.status == 503
    await asyncio.sleep(1)  # in which siblings that go on would ask for dozens more
    assert len((await world.control("GET", "/requests"))["data"]) < 30
