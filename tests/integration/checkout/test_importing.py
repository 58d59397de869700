"""``/operator/import-purchases``: what another app says of Stripe's ids proves nothing, and says where to look."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import pytest

from .conftest import World

pytestmark = pytest.mark.anyio

DAY = 86_400
OURS = "pro_lifetime_v1"


def old(user: str | None, product: str | None = OURS, **more: Any) -> dict[str, Any]:
    metadata = {name: value for name, value in (("userId", user), ("productKey", product)) if value}
    return {"created": int(time.time()) - 200 * DAY, "metadata": metadata, **more}


async def seeded(world: World, *sessions: dict[str, Any]) -> list[dict[str, Any]]:
    return (await world.control("POST", "/seed", {"sessions": list(sessions)}))["data"]


async def imported(world: World, *claims: tuple[str, list[str]], dry_run: bool = False) -> dict[tuple[str, str], Any]:
    """What became of each claim (a user and their ids): new, known, nothing, or why it was refused."""
    body = {
        "origin": "project-atlas",
        "dryRun": dry_run,
        "claims": [
            {"userId": user, "customerIds": [i for i in ids if i.startswith("cus_")], "paymentIds": [i for i in ids if not i.startswith("cus_")]}
            for user, ids in claims
        ],
    }
    answer = await world.ask("POST", "/operator/import-purchases", "operator", body, issuer="operator")
    assert answer.status == 200, answer
    lines = [json.loads(line) for line in answer.body["raw"].splitlines()]
    assert lines[-1] == {"done": True}, lines[-1]
    told = [line for line in lines if "userId" in line]
    assert len({(line["userId"], line["id"]) for line in told}) == len(told), "each claim is settled once"
    return {(line["userId"], line["id"]): line["because"] or line["outcome"] for line in told}


@pytest.fixture
def users() -> list[str]:
    return [f"user_{secrets.token_hex(6)}" for _ in range(4)]


async def test_stripe_is_the_truth_about_each_id_and_a_second_import_tells_nothing(world: World, users: list[str]) -> None:
    paid, refunded, lost, _ = users
    a, b, c = await seeded(world, old(paid), old(refunded, refunds=[{}]), old(lost, disputes=[{"status": "lost"}]))
    claims = (paid, [a["id"]]), (refunded, [b["payment_intent"]]), (lost, [c["id"], c["payment_intent"]])
    dry = await imported(world, *claims, dry_run=True)
    assert set(dry.values()) == {"new"}
    assert (await world.entitlement(paid))["version"] == 0
    assert await imported(world, *claims) == dry
    assert [(await world.entitlement(user))["status"] for user in (paid, refunded, lost)] == ["active", "revoked", "revoked"]
    assert [(await world.entitlement(user))["version"] for user in (paid, refunded, lost)] == [1, 1, 1], "nobody was Pro for a moment"
    assert set((await imported(world, *claims)).values()) == {"known"}
    assert set((await imported(world, *claims, dry_run=True)).values()) == {"known"}


async def test_a_session_is_whose_its_metadata_says_and_nobody_elses(world: World, users: list[str]) -> None:
    owner, claimant, *_ = users
    [theirs] = await seeded(world, old(owner))
    told = await imported(world, (claimant, [theirs["id"]]))
    assert told == {(claimant, theirs["id"]): "Stripe says that it is another user's"}
    assert (await world.entitlement(claimant))["version"] == 0
    assert (await world.entitlement(owner))["isPro"] is True
    assert world.rows("SELECT 1 FROM checkout_attempts WHERE checkout_session_id = %s", theirs["id"]) == []


async def test_one_that_names_nobody_grants_nothing_and_is_for_a_person_to_look_at(world: World, users: list[str]) -> None:
    claimant, *_ = users
    [nobodys] = await seeded(world, old(None))
    for _ in range(2):
        [because] = (await imported(world, (claimant, [nobodys["id"]]))).values()
        assert because.startswith("its metadata at Stripe names no user")
    assert (await world.entitlement(claimant))["isPro"] is False
    reviews = (await world.ask("GET", "/operator/reviews", "operator", at=world.entitlements, issuer="operator", audience="entitlements")).body
    assert [(row["userId"], row["reason"]) for row in reviews["refused"] if row["checkoutSessionId"] == nobodys["id"]] == [(claimant, "no_user_in_metadata")]
    assert (await world.restore(claimant)).body["reason"] == "needs_review"


async def test_what_stripe_does_not_know_is_not_ours_or_was_never_finished_is_said_to_be_so(world: World, users: list[str]) -> None:
    user, *_ = users
    expired, other, link, euro = await seeded(world, old(user, outcome="expired"), old(user, "stickers"), old(user, payment_link=True), old(user, amount=4900, currency="eur"))
    ids = ["cs_test_nothing", "pi_nothing", "pi_;drop", expired["id"], other["id"], link["id"], euro["id"]]
    told = {name: outcome for (_, name), outcome in (await imported(world, (user, ids))).items()}
    assert told == {
        **dict.fromkeys(["cs_test_nothing", "pi_nothing", "pi_;drop"], "Stripe knows no checkout session of that id"),
        expired["id"]: "nothing",
        other["id"]: "it may not grant: other_product",
        link["id"]: "it may not grant: made_by_a_payment_link",
        euro["id"]: "it may not grant: other_currency",
    }
    assert (await world.entitlement(user))["isPro"] is False


async def test_known_sessions_may_grant_where_unknown_ones_may_not(world: World, users: list[str]) -> None:
    user, *_ = users
    [session] = await seeded(world, old(user))
    await imported(world, (user, [session["id"]]))
    with world.start_another("strict", BILLING_REQUIRE_KNOWN_SESSION="true") as strict:
        answer = await world.ask("GET", f"/operator/provider-state?user={user}", "operator", at=strict, issuer="operator")
        assert '"shouldGrant":true' in answer.body["raw"]


async def test_customers_are_stored_where_nothing_speaks_against_it(world: World, users: list[str]) -> None:
    ada, bob, eve, kim = users
    bought, silent, named, gone, second = [
        (await seeded(world, old(user, customer=True)))[0]["customer"] for user in (ada, None, None, None, ada)
    ]
    await world.stripe("post", f"/v1/customers/{named}", metadata={"userId": bob})
    await world.stripe("delete", f"/v1/customers/{gone}")
    told = await imported(world, (ada, [bought]), (kim, [silent]), (eve, [named, gone, "cus_nothing"]))
    assert told == {
        (ada, bought): "new", (kim, silent): "new", (eve, named): "that customer is another user's",
        (eve, gone): "that customer was deleted at Stripe", (eve, "cus_nothing"): "Stripe knows no such customer",
    }  # fmt: skip
    assert (await world.entitlement(ada))["isPro"] is True, "found through the customer alone"
    assert await imported(world, (ada, [bought, second])) == {(ada, bought): "known", (ada, second): "another customer of this user is known here already, and kept"}
    assert (await imported(world, (bob, [bought])))[bob, bought] == "that customer is another user's"
    assert dict(world.rows("SELECT user_id, customer_id FROM customers WHERE user_id = ANY(%s)", users)) == {ada: bought, kim: silent}


async def test_two_users_who_claim_one_silent_customer_both_get_nothing(world: World, users: list[str]) -> None:
    ada, bob, *_ = users
    [session] = await seeded(world, old(None, customer=True))
    told = await imported(world, (ada, [session["customer"]]), (bob, [session["customer"]]))
    assert set(told.values()) == {"that customer is another user's"}


async def test_many_ids_are_read_in_pages_and_few_are_not_looked_for_among_all(world: World, users: list[str]) -> None:
    user, *_ = users
    made = await seeded(world, *(old(f"{user}-{n}") for n in range(250)))
    await world.control("DELETE", "/requests")
    told = await imported(world, *((f"{user}-{n}", [one["id"]]) for n, one in enumerate(made)))
    assert set(told.values()) == {"new"}
    assert len(await world.requests("GET", "/v1/checkout/sessions")) <= 8
    await world.control("DELETE", "/requests")
    oldest = made[0]
    await imported(world, (f"{user}-0", [oldest["id"]]))
    asked = (await world.control("GET", "/requests"))["data"]
    assert len(asked) <= 4, "one page, then the id itself"


async def test_it_waits_where_stripe_says_too_many_requests_and_ends_with_an_error_where_stripe_is_away(world: World, users: list[str]) -> None:
    user, *_ = users
    [session] = await seeded(world, old(user))
    await world.control("PUT", "/api", {"fail_next": 2, "status": 429})
    assert (await imported(world, (user, [session["id"]])))[user, session["id"]] == "new"
    await world.control("PUT", "/api", {"fail_next": 1, "status": 401})
    body = {"origin": "project-atlas", "claims": [{"userId": user, "paymentIds": [session["id"]]}]}
    answer = await world.ask("POST", "/operator/import-purchases", "operator", body, issuer="operator")
    last = json.loads(answer.body["raw"].splitlines()[-1])
    assert last["error"]["message"] == "Stripe is temporarily unavailable. Please try again later."


async def test_a_forgotten_user_is_not_brought_back(world: World, users: list[str]) -> None:
    user, *_ = users
    [session] = await seeded(world, old(user))
    await imported(world, (user, [session["id"]]))
    for service, at in (("checkout", world.checkout), ("entitlements", world.entitlements)):
        forgotten = await world.ask("POST", "/operator/forget", "operator", {"userId": user}, at=at, issuer="operator", audience=service)
        assert forgotten.status == 200, forgotten
    await imported(world, (user, [session["id"]]))
    assert (await world.entitlement(user))["version"] == 0
    assert world.rows("SELECT 1 FROM checkout_attempts WHERE user_id = %s", user) == []


@pytest.mark.parametrize(
    "body",
    [{}, {"origin": "x", "claims": 3}, {"origin": "Not A Name", "claims": []}, {"origin": "x", "claims": [{"userId": " x"}]},
     {"origin": "x", "claims": [{"userId": "x", "paymentIds": ["\x00"]}]}],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(world: World, body: Any) -> None:
    assert (await world.ask("POST", "/operator/import-purchases", "operator", body, issuer="operator")).status == 400
    assert (await world.ask("POST", "/operator/import-purchases", "operator", body)).status == 403, "not the gateway's"
