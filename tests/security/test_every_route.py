"""What holds for every route there is, tried on each: the lists come from the applications, not from memory."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
import schemathesis

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, INGEST_SERVICE
from atlas_contracts.issuers import OPERATOR
from atlas_contracts.many_reads import MANY_ENTITLEMENTS
from support.embedded import embedded_nats
from support.entitlements import running as running_entitlements
from support.gateway import PRO, StandIn, cookie_of, entitlement_view, new_user, running_gateway, stand_in
from support.identity import STRANGER, claims, key_of, signed, token
from support.ingest import PATH, Ingest, running_ingest
from support.routes import BUILT, HEALTH, registered, routes_of
from support.schemathesis import LONG, bombard

GATEWAY = sorted(routes_of("account_gateway") - HEALTH)
WITHOUT_A_SESSION = {
    ("GET", "/"), ("GET", "/account"), ("GET", "/pro"), ("GET", "/pro/upgrade"), ("GET", "/legal"), ("POST", "/dev/sign-out"), ("GET", "/static/{digest}/{name}"),
    ("GET", "/openapi.json"), ("GET", "/api/health"), ("GET", "/dev/sign-in"), ("POST", "/dev/sign-in"),
}  # fmt: skip
"""Pages, which show a signed-out caller nothing of anybody's; and what a session is made with, in development."""
CAUSE_SOMETHING = [route for route in GATEWAY if route[0] != "GET"]
WITH_AN_END = [route for route in GATEWAY if not route[1].endswith("/stream")]
LINKS = [route for route in WITH_AN_END if route[0] == "GET"]
GET_THAT_MAKES_SOMETHING = [("GET", "/api/billing/stripe/checkout"), ("GET", "/api/billing/stripe/portal")]
EVIL = "evil.example"
PRICE = "/internal/price"


class World:
    def __init__(self, client: httpx.Client, entitlements: StandIn, checkout: StandIn) -> None:
        self.client, self.entitlements, self.checkout = client, entitlements, checkout

    @property
    def caused(self) -> list[str]:
        """What was asked for behind the gateway that makes or changes something; one POST only reads."""
        everything = (*self.checkout.asked, *self.entitlements.asked)
        return [f"{asked.method} {asked.path}" for asked in everything if asked.method != "GET" and asked.path != MANY_ENTITLEMENTS]


@pytest.fixture(scope="module")
def served() -> Iterator[World]:
    with stand_in() as entitlements, stand_in() as checkout:
        urls = {"ENTITLEMENTS_URL": entitlements.url, "CHECKOUT_URL": checkout.url}
        with running_gateway(None, **urls, ATLAS_DEV_SIGN_IN="true") as client:
            yield World(client, entitlements, checkout)


@pytest.fixture
def world(served: World) -> World:
    for service in (served.entitlements, served.checkout):
        service.reset()
    view = entitlement_view("somebody", **PRO)
    served.entitlements.answer("GET /internal/entitlement", view)
    served.entitlements.answer("GET /internal/overview", {"entitlement": view, "payment": None})
    served.checkout.answer("GET /internal/billing-profile", {"canManageBilling": True})
    hosted = {"url": "https://checkout.stripe.example/c/pay/cs_1", "checkoutSessionId": "cs_1", "reused": False}
    served.checkout.answer("POST /internal/checkout-sessions", hosted)
    served.checkout.answer("POST /internal/portal-sessions", {"url": "https://billing.stripe.example/p/session/1"})
    served.client.cookies.clear()
    return served


def ids(route: tuple[str, str]) -> str:
    return " ".join(route)


def test_the_list_is_not_empty() -> None:
    assert len(GATEWAY) > 15
    assert len(CAUSE_SOMETHING) == 6
    assert set(GATEWAY) >= WITHOUT_A_SESSION, "an exception for a route that is gone"


@pytest.mark.parametrize("package", BUILT)
def test_no_route_is_registered_twice(package: str) -> None:
    routes = registered(package)
    assert [route for route in routes if routes.count(route) > 1] == []


@pytest.mark.parametrize("route", CAUSE_SOMETHING, ids=ids)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": f"https://{EVIL}"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"origin": f"https://{EVIL}", "host": EVIL, "x-forwarded-host": EVIL, "x-forwarded-proto": "https"},
    ],
    ids=str,
)
def test_another_site_can_cause_nothing(world: World, route: tuple[str, str], headers: dict[str, str]) -> None:
    """A form, as another site can post one with the user's cookies, and a script."""
    for body in ({"data": {"user": "eve", "trigger": "account"}}, {"json": {"trigger": "account", "checkoutSessionId": "cs_1"}}):
        answer = world.client.request(*route, headers=headers | cookie_of(new_user()), **body)
        assert answer.status_code == 403, answer.text
        assert "set-cookie" not in answer.headers
    assert world.caused == []


@pytest.mark.parametrize("route", LINKS, ids=ids)
def test_a_link_on_another_site_and_a_prefetch_cause_nothing(world: World, route: tuple[str, str]) -> None:
    for headers in ({"sec-fetch-site": "cross-site"}, {"sec-purpose": "prefetch"}, {"purpose": "prefetch"}, {"next-router-prefetch": "1"}):
        answer = world.client.get(route[1], headers=headers | cookie_of(new_user()) | {"accept": "text/html"})
        assert answer.status_code == 403 or route not in GET_THAT_MAKES_SOMETHING
    assert world.caused == []


@pytest.mark.parametrize("route", GATEWAY, ids=ids)
def test_who_only_says_who_he_is_is_nobody(world: World, route: tuple[str, str]) -> None:
    """Identity headers from outside, an internal token included, open nothing."""
    forged = signed(claims("account-gateway", "account-gateway", "victim"), key_of("account-gateway", 1))
    headers_of_others = ["x-user-id", "x-forwarded-user", "x-auth-request-user", "x-remote-user", "remote-user", "x-atlas-user", "x-forwarded-email"]
    headers = dict.fromkeys(headers_of_others, "victim") | {"authorization": f"Bearer {forged}"}
    answer = world.client.request(*route, headers=headers, params={"userId": "victim", "user": "victim"})
    if route in WITHOUT_A_SESSION:
        assert answer.status_code < 500
    else:
        assert answer.status_code == 401
    of_a_user = [asked for asked in world.checkout.asked if asked.path != PRICE]  # the price is asked every ten seconds, for everybody
    assert not of_a_user and not world.entitlements.asked
    assert "victim" not in answer.headers.get("location", "").replace("callbackUrl", "")


@pytest.mark.parametrize("route", WITH_AN_END, ids=ids)
def test_no_answer_repeats_where_the_caller_says_he_is(world: World, route: tuple[str, str]) -> None:
    lies = {
        "host": EVIL, "x-forwarded-host": EVIL, "x-forwarded-server": EVIL, "x-host": EVIL, "forwarded": f"host={EVIL};proto=https",
        "x-forwarded-proto": "https", "x-forwarded-for": EVIL, "x-original-url": f"//{EVIL}/", "x-rewrite-url": f"//{EVIL}/",
        "x-forwarded-prefix": f"//{EVIL}", "referer": f"https://{EVIL}/",
    }  # fmt: skip
    for session in ({}, cookie_of(new_user())):
        answer = world.client.request(*route, headers=lies | session | {"accept": "text/html"})
        assert EVIL not in answer.text and EVIL not in str(answer.headers)
        assert "strict-transport-security" not in answer.headers, "X-Forwarded-Proto decides nothing"


@pytest.mark.parametrize("route", WITH_AN_END, ids=ids)
def test_no_place_to_return_to_leads_elsewhere(world: World, route: tuple[str, str]) -> None:
    for target in (f"https://{EVIL}", f"//{EVIL}", f"/\\{EVIL}", f"https:{EVIL}", f"/%5c{EVIL}", f"/\t/{EVIL}", f"javascript:{EVIL}"):
        names = ("callbackUrl", "callback", "next", "return_to", "returnUrl", "redirect", "success_url", "cancel_url", "source")
        form = {"data": {"user": "ada", "callbackUrl": target}} if route == ("POST", "/dev/sign-in") else {}
        answer = world.client.request(*route, headers=cookie_of(new_user()), params=dict.fromkeys(names, target), **form)
        location = answer.headers.get("location", "/")
        assert (location.startswith("/") and not location.startswith(("//", "/\\"))) or ".stripe.example/" in location, location
        assert f"//{EVIL}" not in location and f"\\{EVIL}" not in location


def test_request_ids_of_all_routes_carry_no_header_in(world: World) -> None:
    port = world.client.base_url.port
    for _, path in GATEWAY:
        for smuggled in ("a\r\nset-cookie: session=x", "a\nset-cookie: session=x", "a\rset-cookie: session=x", "a\x00b", "a%0d%0aset-cookie:x"):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
                line.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: {smuggled}\r\n\r\n".encode())
                head = line.recv(65_536).partition(b"\r\n\r\n")[0].lower()
            assert b"set-cookie" not in head and b"session=x" not in head, (path, smuggled)


# Inside.


@pytest.fixture(scope="module")
def ingest() -> Iterator[Ingest]:
    with embedded_nats() as url, running_ingest(url) as service:
        yield service


def _bad_tokens(audience: str) -> dict[str, str]:
    others = {CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, INGEST_SERVICE} - {audience}
    return {
        "none": "",
        "no token": "Bearer x",
        "of another key": "Bearer " + signed(claims(OPERATOR, audience, OPERATOR), key_of(OPERATOR, 1)),
        "for another service": "Bearer " + token(OPERATOR, others.pop(), OPERATOR),
        "of a service that may not": "Bearer " + token(STRANGER, audience, STRANGER),
        "a session cookie's": "Bearer " + cookie_of("ada")["cookie"].partition("=")[2],
    }


@pytest.mark.parametrize("bad", _bad_tokens(INGEST_SERVICE))
def test_no_door_of_ingest_opens_to_a_bad_token(ingest: Ingest, bad: str) -> None:
    routes = routes_of("webhook_ingest") - HEALTH
    assert len(routes) >= 5
    for method, path in routes:
        headers = {"authorization": _bad_tokens(INGEST_SERVICE)[bad], "content-type": "application/json"}
        body = b'{"userId":"thief","action":"grant","reason":"x","idempotencyKey":"k"}' if method == "POST" else None
        answer = ingest.request(method, path.replace("{parked_id}", "x"), body, headers)
        assert answer.status == (403 if bad == "of a service that may not" else 401), (method, path)
    assert ingest.stored() == [] and ingest.stored("PARKED") == []


@pytest.mark.parametrize("bad", _bad_tokens(ENTITLEMENTS_SERVICE))
def test_no_door_of_entitlements_opens_to_a_bad_token(nats_url: str, postgres_dsn: str, bad: str) -> None:
    with running_entitlements(nats_url, postgres_dsn) as service:
        routes = routes_of("entitlements") - HEALTH
        assert len(routes) >= 9
        for method, path in routes:
            headers = {"authorization": _bad_tokens(ENTITLEMENTS_SERVICE)[bad]}
            answer = httpx.request(method, service.url + path, headers=headers, timeout=20)
            assert answer.status_code == (403 if bad == "of a service that may not" else 401), (method, path)


WEBHOOK = {
    "openapi": "3.1.0",
    "info": {"title": "webhook", "version": "1"},
    "paths": {
        PATH: {
            "post": {
                "parameters": [{"name": "Stripe-Signature", "in": "header", "schema": {"type": "string"}}],
                "requestBody": {"content": {"application/json": {"schema": {"type": ["object", "array", "string", "null"]}}}},
                "responses": {"403": {"description": "Forbidden."}},
            }
        }
    },
}


@pytest.mark.timeout(600)
def test_whatever_a_stranger_sends_to_the_webhook_it_is_no_5xx_and_nothing_is_stored(ingest: Ingest) -> None:
    [operation] = [found.ok() for found in schemathesis.openapi.from_dict(WEBHOOK).get_all_operations()]
    calls = bombard(operation, f"http://127.0.0.1:{ingest.port}", dict, examples=2_000 if LONG else 25, checks=("not_a_server_error",))
    assert calls >= 25
    assert ingest.stored() == [] and ingest.stored("PARKED") == []
