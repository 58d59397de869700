"""The support desk against a whole running system: who gets in, whom it finds, what it does."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from atlas_operator.client import Operator
from atlas_operator.desk.person import Action, Role
from atlas_operator.target import Target, find_exactly
from support.buyer import Buyer, explain, new_user
from support.desk import ROLES, SECRET, At, ServedDesk, served_desk
from support.entitlements import publish
from support.facts import Purchase
from support.stack import Stack, eventually

PETRA = "petra@support.example"
WHY = {"reason": "paid by bank transfer", "ticket": "T-77"}
POSTS = [("/find", None), *((f"/act/{action.value}", action) for action in Action)]
PAGES = ("/", "/today", "/buyer?user=ada", "/find", "/act/grant", "/nowhere")
MAY = {
    "viewer": {"/find"},
    "agent": {"/find", "/act/read-payments", "/act/redrive"},
    "approver": {path for path, _ in POSTS},
}


@pytest.fixture(scope="module")
def target(stack: Stack) -> Target:
    return find_exactly({"ATLAS_HOME": str(stack.home)})


@pytest.fixture(scope="module")
def desk(target: Target) -> Iterator[ServedDesk]:
    """A desk behind a proxy, where one approver is enough."""
    with served_desk(target) as served:
        yield served


@pytest.fixture
def petra(desk: ServedDesk) -> Iterator[At]:
    with desk.as_(PETRA) as person:
        yield person


def test_the_link_of_stack_json_signs_in_once_and_is_replaced(stack: Stack) -> None:
    told = stack.json["desk"]
    with httpx.Client(base_url=told["url"], timeout=30) as browser, httpx.Client(base_url=told["url"], timeout=30) as other:
        assert browser.get("/").status_code == 401
        entered = browser.get(told["sign_in_url"])
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert At(browser).get("/today").status_code == 200
        assert other.get(told["sign_in_url"]).status_code == 401, "it was used"
        new = eventually(lambda: (link := stack.json["desk"]["sign_in_url"]) != told["sign_in_url"] and link, what="a new link")
        assert other.get(new, headers={"sec-purpose": "prefetch"}).status_code == 403
        assert other.get(new).status_code == 303, "fetching ahead did not use it up"
        assert At(other).post("/sign-out").status_code == 303
        assert other.get("/").status_code == 401
        assert browser.get("/").status_code == 200


def test_every_page_needs_somebody_who_is_signed_in_and_tells_a_stranger_nothing(desk: ServedDesk, buyer: Buyer) -> None:
    buyer.buy()
    for email, secret, status in ((None, SECRET, 401), (PETRA, None, 401), (PETRA, "wrong", 401), ("eve@x.example", SECRET, 403)):
        with desk.client(email, secret) as browser:
            for path in (*PAGES, f"/buyer?user={buyer.user}"):
                answer = browser.get(path)
                allowed = {404, 405} if path in ("/find", "/act/grant", "/nowhere") else {status}
                assert answer.status_code in allowed, path
                assert "Pro: active" not in answer.text
            for path, _ in POSTS:
                assert browser.post(path, data={"user": "ada"}).status_code == status, path


@pytest.mark.parametrize("role", sorted(ROLES))
def test_each_role_reaches_its_own_routes_and_no_others(desk: ServedDesk, role: str) -> None:
    with desk.as_(ROLES[role]) as person:
        for path in ("/", "/today", "/buyer?user=nobody-yet"):
            assert person.get(path.partition("?")[0], **({"user": "nobody-yet"} if "?" in path else {})).status_code == 200, path
        for path, _ in POSTS:
            status = person.post(path, user="nobody-yet").status_code
            assert (status == 403) == (path not in MAY[role]), (path, status)


def test_the_roles_above_are_tried_on_every_route_that_takes_a_form(desk: ServedDesk) -> None:
    with desk.as_(PETRA) as person:
        for action in Action:
            assert person.browser.get(f"/act/{action.value}").status_code == 405
    assert {role.name.lower() for role in Role} == set(ROLES)


FORGED = {
    "without a token": ({}, {"user": "ada", **WHY}),
    "with another person's token": ({}, {"user": "ada", "csrf": "0" * 64, **WHY}),
    "from another site": ({"origin": "https://evil.example"}, None),
    "from nowhere": ({"origin": "null"}, None),
    "as the browser says": ({"sec-fetch-site": "cross-site"}, None),
    "from another port": ({"sec-fetch-site": "same-site"}, None),
}


@pytest.mark.parametrize("how", sorted(FORGED))
def test_a_form_from_elsewhere_does_nothing(desk: ServedDesk, buyer: Buyer, how: str) -> None:
    headers, fields = FORGED[how]
    with desk.as_(PETRA) as person:
        sent = {"csrf": person.csrf, "user": buyer.user, **WHY} if fields is None else {**fields, "user": buyer.user}
        for path, _ in POSTS:
            assert person.browser.post(path, data=sent, headers=headers).status_code == 403, path
    assert not buyer.is_pro()


def test_a_body_that_is_no_form_is_not_understood(desk: ServedDesk) -> None:
    with desk.as_(PETRA) as person:
        person.browser.get("/")
        for content, kind in ((b"{}", "application/json"), (b"\xff=1", "application/x-www-form-urlencoded"), (b"a=%ff", "application/x-www-form-urlencoded"), (b"a=1&" * 50, "application/x-www-form-urlencoded")):
            assert person.browser.post("/act/grant", content=content, headers={"content-type": kind}).status_code == 400
        large = person.browser.post("/act/grant", content=b"a=" + b"x" * 20_000, headers={"content-type": "application/x-www-form-urlencoded"})
        assert large.status_code == 413


def test_nothing_is_kept_by_browsers_or_shown_in_frames(petra: At) -> None:
    for path in ("/", "/today", "/nowhere"):
        headers = petra.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"


def test_a_buyer_is_found_by_whatever_they_have(petra: At, buyer: Buyer) -> None:
    email = f"Ada.{secrets.token_hex(4)}@Example.com"
    session_id = buyer.open_checkout()
    buyer.sandbox("POST", f"/_sandbox/checkout/{session_id}/pay", {"outcome": "paid", "email": email})
    eventually(buyer.is_pro, what="paid")
    refund = buyer.refund(session_id, 100)
    v1 = buyer.stripe.v1
    session = v1.checkout.sessions.retrieve(session_id)
    intent = v1.payment_intents.retrieve(str(session.payment_intent))
    [event] = [e for e in v1.events.list({"type": "checkout.session.completed"}).data if e.data.object["id"] == session_id]
    invoice = v1.invoices.retrieve(str(session.invoice))
    dispute = buyer.sandbox("POST", "/_sandbox/disputes", {"payment_intent": intent.id})
    named = next(value for value in _strings(dispute) if value.startswith(("dp_", "du_")))
    ids = (buyer.user, f"  {buyer.user} ", session_id, intent.id, str(intent.latest_charge), str(session.customer), event.id,
           str(invoice.id), str(invoice.number), refund.id, named, email, email.lower())  # fmt: skip
    for wanted in ids:
        assert petra.find(wanted) == buyer.user, wanted


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(inner)


def test_what_stripe_alone_knows_is_asked_of_stripe(petra: At, deaf: Buyer) -> None:
    session_id = deaf.open_checkout()
    deaf.pay(session_id)
    assert petra.find(deaf.payment_intent(session_id)) == deaf.user


def test_two_buyers_of_one_address_are_both_named(stack: Stack, petra: At) -> None:
    email, buyers = f"family-{secrets.token_hex(4)}@example.com", [Buyer(stack), Buyer(stack)]
    for one in buyers:
        one.sandbox("POST", f"/_sandbox/checkout/{one.open_checkout()}/pay", {"outcome": "paid", "email": email})
    answer = petra.post("/find", query=email)
    assert answer.status_code == 200
    assert all(one.user in answer.text for one in buyers)
    assert email not in answer.text


def test_an_address_is_in_no_log_and_in_no_table(stack: Stack, petra: At, buyer: Buyer) -> None:
    canary = f"canary-{secrets.token_hex(6)}"
    buyer.sandbox("POST", f"/_sandbox/checkout/{buyer.open_checkout()}/pay", {"outcome": "paid", "email": f"{canary}@example.com"})
    eventually(buyer.is_pro, what="paid")
    assert petra.find(f"{canary}@example.com") == buyer.user
    assert petra.act("grant", buyer.user, reason=f"wrote as {canary}@example.com", ticket="T-1").startswith("400")
    logs = [path for path in (stack.home / "logs").iterdir() if path.name != "sandbox.log"]  # Stripe's stand-in
    assert len(logs) >= 6
    for path in logs:
        assert canary not in path.read_text(errors="replace"), path.name
    for dsn in stack.json["postgres"]["databases"].values():
        with psycopg.connect(dsn) as connection:
            tables = connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'").fetchall()
            for (table,) in tables:
                rows = connection.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', (f"%{canary}%",)).fetchone()
                assert rows == (0,), table


def test_reading_a_buyers_payments_makes_a_lost_webhook_good(desk: ServedDesk, deaf: Buyer) -> None:
    session_id = deaf.open_checkout()
    deaf.pay(session_id)
    assert not deaf.is_pro()
    with desk.as_(ROLES["agent"]) as agent:
        assert "is not Pro" in agent.get("/buyer", user=deaf.user).text
        assert agent.act("read-payments", deaf.user) == "read-restored"
        assert "is Pro" in agent.get("/buyer", user=deaf.user).text
        assert agent.act("read-payments", deaf.user) == "read-active"
        assert agent.act("read-payments", f"nobody-{secrets.token_hex(4)}") == "read-none"
    assert deaf.is_pro()


def test_grant_revoke_and_undo_say_who_why_and_for_which_ticket(stack: Stack, petra: At, buyer: Buyer) -> None:
    intent = buyer.payment_intent(buyer.buy())
    assert petra.act("revoke", buyer.user, payment=intent, **WHY) == "revoked"
    assert not buyer.is_pro()
    assert petra.act("undo", buyer.user, payment=intent, **WHY) == "undone"
    assert buyer.is_pro()
    assert petra.act("grant", buyer.user, key="one form", **WHY) == "granted"
    assert petra.act("grant", buyer.user, key="one form", **WHY) == "repeated"
    told = explain(stack, buyer.user)
    [grant] = told["adjustments"]
    words = [fact for payment in told["payments"] for fact in payment["facts"] if fact["via"] == "operator"]
    for fact in (grant, *words):
        assert (fact["reason"], fact["ticket"], fact["operator"]) == (WHY["reason"], WHY["ticket"], PETRA)
    assert len(words) == 2
    shown = stack.atlas("explain", buyer.user).stdout
    assert f"ticket {WHY['ticket']}, by {PETRA}" in shown
    page = petra.get("/buyer", user=buyer.user).text
    assert all(text in page for text in (WHY["reason"], WHY["ticket"], PETRA))


def test_today_shows_a_second_payment_and_the_last_audit(stack: Stack, target: Target, petra: At) -> None:
    twice = new_user("twice")
    first, second = Purchase(twice), Purchase(twice)
    publish(stack.json["nats"]["url"], [first.recorded(), first.paid(at=0), second.recorded(), second.paid(at=60)])

    def seconds() -> list[str]:
        told = Operator(target).get("entitlements", "/operator/support")
        return [row["paymentIntentId"] for row in told["secondPayments"] if row["userId"] == twice]

    eventually(lambda: seconds() == [second.intent], what="the later of the two is the second")
    assert twice in petra.get("/today").text
    stack.atlas("audit")
    audit = Operator(target).get("entitlements", "/operator/support")["audit"]
    assert audit["secondPayments"] >= 1
    assert audit["users"] >= 1


def test_where_the_services_are_away_everything_is_a_503_page_without_details(stack: Stack) -> None:
    gone = Target(dict.fromkeys(("entitlements", "checkout", "webhook-ingest"), "http://127.0.0.1:9"), find_exactly({"ATLAS_HOME": str(stack.home)}).signing_key, local=False)
    with served_desk(gone) as away, away.as_(PETRA) as person:
        for answer in (person.get("/buyer", user="ada"), person.get("/today"), person.post("/find", query="ada"), person.post("/act/grant", user="ada", **WHY)):
            assert answer.status_code == 503
            assert "127.0.0.1:9" not in answer.text
        assert person.browser.get("/readyz").json()["failing"] == ["entitlements"]


def test_status_and_doctor_know_the_desk(stack: Stack) -> None:
    assert stack.status()["desk"]["health"] == "ok"
    findings = json.loads(stack.atlas("doctor", "--json").stdout)
    assert any(finding["what"] == "desk is ready" for finding in findings)
    assert stack.atlas("logs", "desk").returncode == 0
