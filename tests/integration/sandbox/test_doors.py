"""Who may talk to the sandbox: its own names, its own pages, and API clients; no other web site."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pytest

from .conftest import KEY
from .test_pages import CARD, visit

FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "null"},
]


def ask(url, host, path="/", method="GET"):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host)
    connection.putheader("Authorization", f"Bearer {KEY}")
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


@pytest.mark.parametrize("path", ["/", "/_sandbox/state", "/_sandbox/requests", "/v1/customers"])
def test_other_hosts_names_are_refused(sandbox, path):
    for host in ("evil.example", "evil.example:8004", "127.0.0.1.evil.example", "localhost.evil.example", ""):
        status, body = ask(sandbox.url, host, path)
        assert status in {400, 421}
        assert "cus_" not in body
    status, body = ask(sandbox.url, "evil.example", path)
    assert status == 421
    assert "evil.example" not in body
    assert "SANDBOX_ALLOWED_HOSTS" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1:1", "127.8.8.8", "[::1]:80", "shop.localhost"]
)
def test_loopback_names_are_its_own(sandbox, host):
    assert ask(sandbox.url, host)[0] == 200


def test_its_public_name_and_what_is_configured_are_its_own_too(start_sandbox):
    made = start_sandbox(SANDBOX_PUBLIC_URL="https://Pay.Example", SANDBOX_ALLOWED_HOSTS="sandbox, stripe.internal")
    for host in ("pay.example", "sandbox:8004", "stripe.internal"):
        assert ask(made.url, host)[0] == 200
    assert ask(made.url, "other.internal")[0] == 421


@pytest.mark.parametrize("headers", FOREIGN)
def test_no_other_page_presses_a_button_of_the_control_surface(sandbox, headers):
    for path in ("/_sandbox/delivery/flush", "/_sandbox/disputes"):
        assert visit(sandbox.url + path, {}, **headers)[0] == 403
    assert visit(sandbox.url + "/_sandbox/requests", **headers)[0] == 403


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_page_of_another_site_can_neither_pay_nor_change_a_session(client, new_session, headers):
    session = new_session(allow_promotion_codes=True)
    for path, form in (("", CARD), ("/cancel", {}), ("/promotion_code", {"promotion_code": "X"}), ("/currency", {})):
        assert visit(session.url + path, form, **headers)[0] == 403
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"


@pytest.mark.parametrize("headers", FOREIGN)
def test_no_other_page_calls_the_api_even_with_the_key(sandbox, headers):
    assert visit(f"{sandbox.url}/v1/customers", Authorization=f"Bearer {KEY}", **headers)[0] == 403


def test_links_from_other_sites_open_the_pages(sandbox, new_session):
    for url in (new_session().url, sandbox.url + "/"):
        assert visit(url, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})[0] == 200


def test_its_own_pages_and_clients_without_a_browser_go_on(sandbox, new_session):
    own = {"Origin": sandbox.url, "Sec-Fetch-Site": "same-origin"}
    assert visit(f"{sandbox.url}/_sandbox/delivery/flush", {}, **own)[0] != 403
    assert visit(new_session().url, CARD, **own)[0] == 303
    # A form of a page whose referrer is hidden has the origin "null"; the browser says itself that it is ours.
    assert visit(new_session().url, CARD, **{**own, "Origin": "null"})[0] == 303
    assert visit(new_session().url, CARD)[0] == 303


def test_health_answers_whoever_asks(sandbox):
    assert ask(sandbox.url, "10.0.0.7:8004", "/healthz") == (200, '{"status":"ok"}')
