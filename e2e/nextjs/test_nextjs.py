"""The existing web app with Atlas Billing in it: bought, refunded, restored and deleted through Next.js, in a browser."""

from __future__ import annotations

import json
import re
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from joserfc import jwt
from joserfc.jwk import OKPKey
from playwright.sync_api import Request, expect

from support.buyer import Buyer
from support.next_app import NextApp, WebShopper, paused
from support.shopper import BANK_DEBIT
from support.stack import Stack, eventually

PICTURES = Path(__file__).resolve().parents[2] / "test-results" / "nextjs"
ACTIVE = "Checkout completed and Pro is now active on your account."
OWN = {"/api/health"}
"""Whether the app is well is the app's to say."""
DAYS_OF_A_SESSION = 30
STREAM = "/api/pro/entitlement/stream"
PROXY_TIMEOUT_SECONDS = 30
"""Of Next's own proxy, after which it ends an answer that says nothing."""


def buyer_of(shopper: WebShopper) -> Buyer:
    """The same user at the sandbox: what the test does behind the page's back."""
    return Buyer(shopper.stack, shopper.user_id)


def session_cookie(shopper: WebShopper) -> str:
    return next(cookie["value"] for cookie in shopper.context.cookies() if "session-token" in cookie["name"])


def buy(shopper: WebShopper) -> str:
    """A purchase by clicks; the checkout session's id."""
    session = shopper.go_to_checkout()
    shopper.pay()
    shopper.sees_badge("Pro active")
    return session


def metadata_of(stack: Stack, session: str) -> dict[str, str]:
    """The metadata that Stripe still has of a checkout session."""
    sandbox = stack.json["sandbox"]
    answer = httpx.get(f"{sandbox['url']}/v1/checkout/sessions/{session}", headers={"authorization": f"Bearer {sandbox['secret_key']}"})
    return dict(answer.json()["metadata"])


@pytest.fixture
def dropped(stack: Stack) -> Iterator[None]:
    """No webhook arrives."""
    sandbox = f"{stack.url('sandbox')}/_sandbox/delivery"
    assert httpx.put(sandbox, json={"mode": "drop"}).is_success
    yield
    assert httpx.put(sandbox, json={"mode": "normal"}).is_success


class TestRouting:
    """What goes through Next to the gateway, and what does not."""

    def test_every_public_route_of_the_gateway_is_rewritten_before_the_apps_own_files(self, built: NextApp, stack: Stack) -> None:
        public = set(httpx.get(f"{stack.url('account-gateway')}/openapi.json").json()["paths"])
        manifest = json.loads((built.folder / ".next" / "routes-manifest.json").read_text())

        rewritten = {rule["source"]: rule["destination"] for rule in manifest["rewrites"]["beforeFiles"]}

        assert set(rewritten) == public - OWN
        assert rewritten == {path: stack.url("account-gateway") + path for path in rewritten}

    def test_who_is_not_signed_in_is_answered_by_the_gateway_in_its_own_words(self, app: NextApp) -> None:
        refused = {
            path: httpx.request(method, app.origin + path, json={} if method == "POST" else None, headers={"origin": app.origin})
            for method, path in (("GET", "/api/pro/entitlement"), ("POST", "/api/pro/restore"), ("GET", "/api/billing/overview"))
        }  # fmt: skip

        assert {path: answer.status_code for path, answer in refused.items()} == dict.fromkeys(refused, 401)
        for answer in refused.values():
            assert answer.json()["error"] == {"code": "unauthorized", "message": "Not authenticated.", "recovery": "reauth"}
            assert answer.headers["x-request-id"]

    def test_the_apps_own_routes_are_still_guarded_by_the_app(self, app: NextApp) -> None:
        assert httpx.delete(f"{app.origin}/api/account", headers={"origin": app.origin}).json() == {"error": "Not authenticated."}
        away = httpx.get(f"{app.origin}/account?checkout=cancel")
        assert away.status_code == 307
        assert away.headers["location"].removeprefix(app.origin) == "/sign-in?callbackUrl=%2Faccount%3Fcheckout%3Dcancel"

    def test_a_webhook_sent_through_the_app_reaches_nobody(self, app: NextApp) -> None:
        """Stripe has to be given webhook-ingest's own address."""
        assert httpx.post(f"{app.origin}/api/billing/stripe/webhook", content=b"{}").status_code == 401

    def test_what_a_router_fetches_by_itself_opens_no_checkout(self, shopper: WebShopper) -> None:
        answer = shopper.context.request.get(
            f"{shopper.origin}/api/billing/stripe/checkout", headers={"rsc": "1"}, max_redirects=0
        )
        assert answer.status == 403


class TestReaderRole:
    """The SQL of the guide."""

    def test_the_gateways_role_finds_a_session_and_nothing_else(self, shopper: WebShopper, web_database) -> None:
        with psycopg.connect(web_database.reader, autocommit=True) as reader:
            find = 'SELECT "userId", expires FROM "Session" WHERE "sessionToken" = %s'
            assert reader.execute(find, (session_cookie(shopper),)).fetchone()[0] == shopper.user_id

            for refused in (
                'SELECT "ipAddress" FROM "Session"', 'SELECT email FROM "User"', 'DELETE FROM "Session"',
                'UPDATE "Session" SET expires = now()', "CREATE TABLE mine ()",
            ):  # fmt: skip
                with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                    reader.execute(refused)


class TestSignIn:
    def test_a_session_ends_in_thirty_days_by_utc_whatever_zone_the_app_runs_in(self, shopper: WebShopper) -> None:
        row = """SELECT EXTRACT(EPOCH FROM expires - (now() AT TIME ZONE 'UTC')) / 86400 FROM "Session" WHERE "sessionToken" = %s"""
        assert float(shopper.rows(row, session_cookie(shopper))[0][0]) == pytest.approx(DAYS_OF_A_SESSION, abs=0.1)
        assert shopper.context.request.get(f"{shopper.origin}/api/auth/session").json()["user"]["id"] == shopper.user_id

    @pytest.mark.parametrize("elsewhere", ["//evil.example/x", "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "\x00"])
    def test_a_sign_in_never_leads_to_another_site(self, visitor: WebShopper, elsewhere: str) -> None:
        answer = visitor.context.request.post(
            f"{visitor.origin}/api/sign-in", form={"email": visitor.email, "callbackUrl": elsewhere},
            headers={"origin": visitor.origin}, max_redirects=0,
        )  # fmt: skip
        assert urlsplit(urljoin(visitor.origin, answer.headers["location"]))[:2] == urlsplit(visitor.origin)[:2]

    def test_another_sites_form_signs_nobody_in(self, visitor: WebShopper) -> None:
        form = {"email": visitor.email, "callbackUrl": "/account"}
        for origin in ("https://evil.example", "null"):
            answer = httpx.post(f"{visitor.origin}/api/sign-in", data=form, headers={"origin": origin})
            assert answer.status_code == 403 and "set-cookie" not in answer.headers

    def test_sign_out_ends_the_session_everywhere(self, shopper: WebShopper) -> None:
        cookie = session_cookie(shopper)
        shopper.open("/account").page.get_by_role("button", name="Sign out").click()

        expect(shopper.page.get_by_role("link", name="Sign in to Upgrade")).to_be_visible()
        assert shopper.rows('SELECT 1 FROM "Session" WHERE "sessionToken" = %s', cookie) == []
        old = httpx.get(f"{shopper.origin}/api/pro/entitlement", headers={"cookie": f"next-auth.session-token={cookie}"})
        assert old.status_code == 401

    def test_a_session_that_was_ended_elsewhere_leads_to_the_sign_in(self, shopper: WebShopper) -> None:
        with psycopg.connect(shopper.database, autocommit=True) as database:
            database.execute('DELETE FROM "Session" WHERE "sessionToken" = %s', (session_cookie(shopper),))

        shopper.open("/account")

        expect(shopper.page.get_by_label("E-mail")).to_be_visible()

    def test_in_production_nobody_is_believed_unless_it_is_switched_on(self, built: NextApp, tmp_path: Path) -> None:
        twin = built.twin(tmp_path / "twin", EXAMPLE_SIGN_IN="", ATLAS_BILLING="off", ATLAS_GATEWAY_URL="")
        with twin.running():
            form = {"email": "somebody@example.com", "callbackUrl": "/account"}
            refused = httpx.post(f"{twin.origin}/api/sign-in", data=form, headers={"origin": twin.environ["NEXTAUTH_URL"]})
            assert refused.status_code == 404 and "set-cookie" not in refused.headers
            assert httpx.get(f"{twin.origin}/sign-in").status_code == 404

            still_billings = httpx.get(f"{twin.origin}/api/pro/entitlement")
            assert still_billings.headers["x-request-id"], "what was switched at the build is not switched at the start"


class TestBuying:
    def test_from_the_offer_through_the_sign_in_to_pro_by_clicks_alone(self, visitor: WebShopper) -> None:
        asked: list[Request] = []
        visitor.context.on("request", lambda request: asked.append(request) if "/stripe/checkout" in request.url else None)
        visitor.open("/pro")
        expect(visitor.page.get_by_role("table", name="Free and Pro feature comparison")).to_be_visible()
        visitor.page.get_by_role("link", name="Sign in to Upgrade").click()
        visitor.page.get_by_label("E-mail").fill(visitor.email)
        visitor.page.get_by_role("button", name="Sign in").click()
        visitor.page.wait_for_url(re.compile("/c/pay/cs_"))  # the sign-in led on to where the visitor wanted to go
        visitor.page.go_back()

        session = visitor.go_to_checkout()
        visitor.pay()

        visitor.sees_badge("Pro active")
        visitor.sees_toast(ACTIVE)
        assert visitor.page.url == f"{visitor.origin}/account", "what Stripe added to the address is gone"
        assert [request.headers.get("rsc") for request in asked] == [None] * len(asked), "nothing is fetched, all is navigated"
        assert session in visitor.stack.atlas("explain", visitor.user_id, "--json").stdout

    def test_the_server_itself_draws_pro_on_the_next_load(self, shopper: WebShopper) -> None:
        assert not shopper.server_sees_pro()
        buy(shopper)

        assert shopper.server_sees_pro()
        assert "Manage Pro in Account" in shopper.context.request.get(f"{shopper.origin}/pro").text()

    def test_open_pages_turn_to_pro_and_back_without_a_reload(self, shopper: WebShopper) -> None:
        account, offer = shopper.another_tab("/account"), shopper.another_tab("/pro")
        for tab in (account, offer):
            tab.page.evaluate("window.never_reloaded = true")
        account.sees_badge("Preview")
        session = buy(shopper)

        # A tab that nobody looks at holds no connection, and catches up when it is seen.
        account.page.bring_to_front()
        account.sees_badge("Pro active")
        account.sees_toast("Pro is now active on your account.")
        offer.page.bring_to_front()
        expect(offer.page.get_by_role("link", name="Manage Pro in Account")).to_be_visible()

        buyer_of(shopper).refund(session)
        expect(offer.page.get_by_role("link", name="Upgrade to Pro")).to_be_visible()
        account.page.bring_to_front()
        account.sees_badge("Preview")
        account.sees_toast("Pro is no longer active on your account.")
        expect(account.page.get_by_text("Pro has ended on this account.")).to_be_visible()
        for tab in (account, offer):
            assert tab.page.evaluate("window.never_reloaded")

        account.page.get_by_role("button", name="Restore purchase").click()
        account.sees_toast("Your purchase was refunded, so it can't be restored.")
        assert not shopper.server_sees_pro()

    def test_pro_comes_even_when_no_webhook_does(self, shopper: WebShopper, dropped: None) -> None:
        buy(shopper)

        shopper.sees_toast(ACTIVE)

    def test_cancel_comes_back_with_a_word(self, shopper: WebShopper) -> None:
        shopper.go_to_checkout()
        shopper.page.get_by_role("button", name="Cancel").click()

        shopper.sees_toast("Checkout canceled. No charge was made.")
        shopper.sees_badge("Preview")

    def test_a_delayed_payment_shows_as_processing_until_it_settles(self, shopper: WebShopper) -> None:
        session = shopper.go_to_checkout()
        shopper.pay(BANK_DEBIT)
        shopper.sees_badge("Payment processing")

        buyer_of(shopper).sandbox("POST", f"/_sandbox/checkout/{session}/settle", {"result": "succeeded"})

        shopper.sees_badge("Pro active")
        expect(shopper.badge("Payment processing")).to_have_count(0)


class TestRestoreAndErrors:
    def test_restore_says_honestly_what_it_found(self, shopper: WebShopper, dropped: None) -> None:
        restore = shopper.open("/account").page.get_by_role("button", name="Restore purchase")
        restore.click()
        shopper.sees_toast("No completed web purchase was found for this account.")
        session = shopper.go_to_checkout()
        buyer_of(shopper).pay(session)  # and the buyer closes the hosted page; no webhook comes
        shopper.open("/account").sees_badge("Preview")

        restore.click()
        shopper.sees_toast("Purchase restored. Pro access is now active.")
        shopper.sees_badge("Pro active")
        expect(shopper.page.get_by_role("status")).to_have_count(1)

        restore.click()
        shopper.sees_toast("Pro is already active on this account.")

    def test_restoring_too_often_says_so(self, shopper: WebShopper) -> None:
        restore = shopper.open("/account").page.get_by_role("button", name="Restore purchase")
        for _ in range(5):
            with shopper.page.expect_response("**/api/pro/restore") as answer:
                restore.click()
            assert answer.value.ok
            expect(restore).not_to_have_attribute("aria-disabled", "true")
        restore.click()

        shopper.sees_toast("Too many requests. Please try again later. Try again shortly.", role="alert")

    def test_a_link_that_fails_comes_back_with_a_word(self, shopper: WebShopper) -> None:
        shopper.open("/account").page.get_by_role("link", name="Manage billing / invoices").click()
        shopper.sees_toast("No Stripe billing history was found for this account yet.", role="alert")
        assert shopper.page.url == f"{shopper.origin}/account"

        stale = shopper.another_tab("/pro")
        upgrade = stale.page.get_by_role("link", name="Upgrade to Pro")
        expect(upgrade).to_be_visible()
        address = upgrade.get_attribute("href")
        buy(shopper)
        stale.open(str(address))
        stale.sees_toast("Pro is already active.", role="alert")

        for _ in range(10):  # the address of a page that was open since long before
            shopper.context.request.get(f"{shopper.origin}{address}", max_redirects=0)
        shopper.open(str(address))
        shopper.sees_toast("Too many requests. Please try again later. Try again shortly.", role="alert")

    def test_the_portal_opens_for_a_buyer(self, shopper: WebShopper) -> None:
        buy(shopper)
        shopper.page.get_by_role("link", name="Manage billing / invoices").click()

        shopper.page.wait_for_url(lambda url: not url.startswith(shopper.origin))
        expect(shopper.page.get_by_role("heading").first).to_be_visible()


class TestGatewayAway:
    def test_who_is_pro_stays_pro_on_the_server_while_the_gateway_answers_nothing(self, shopper: WebShopper, stack: Stack) -> None:
        buy(shopper)
        assert shopper.server_sees_pro()

        with paused(stack.pid("account-gateway")):
            began = time.monotonic()
            assert shopper.server_sees_pro(), "what was known last holds"
            assert time.monotonic() - began < 3, "and the page waits for the gateway no longer than it was told to"
            answer = shopper.context.request.get(f"{shopper.origin}/account").text()
            assert "This is what it said last." in answer

        shopper.open("/account").sees_badge("Pro active")
        expect(shopper.page.get_by_text("This is what it said last.")).to_have_count(0)


@dataclass
class Listener:
    """Somebody who follows the event stream through Next, and does nothing else, while the other tests run."""

    url: str
    cookie: str
    began: float = field(default_factory=time.monotonic)
    headers: dict[str, str] = field(default_factory=dict)
    heard: list[tuple[float, bytes]] = field(default_factory=list)
    failed: Exception | None = None
    enough: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        headers = {"cookie": self.cookie, "accept-encoding": "gzip, deflate, br"}
        try:
            with httpx.stream("GET", self.url, headers=headers, timeout=60) as answer:
                self.headers = dict(answer.headers)
                for chunk in answer.iter_raw():
                    self.heard.append((time.monotonic() - self.began, chunk))
                    if self.enough.is_set():
                        return
        except Exception as error:
            self.failed = error


@pytest.fixture(scope="session", autouse=True)
def listener(app: NextApp) -> Iterator[Listener]:
    """Begins before the first test, so that nobody waits for half a minute of quiet."""
    form = {"email": "listener@example.com", "callbackUrl": "/account"}
    signed_in = httpx.post(f"{app.origin}/api/sign-in", data=form, headers={"origin": app.origin})
    following = Listener(app.origin + STREAM, signed_in.headers["set-cookie"].partition(";")[0])
    thread = threading.Thread(target=following.listen, daemon=True)
    thread.start()
    yield following
    following.enough.set()


class TestLiveUpdates:
    def test_the_first_event_comes_through_nexts_proxy_at_once_and_uncompressed(self, listener: Listener) -> None:
        eventually(lambda: listener.heard or listener.failed, 5, "the first event")

        assert listener.failed is None
        assert listener.heard[0][0] < 5
        assert listener.heard[0][1].startswith(b"retry: 2000\nevent: entitlement\ndata: {")
        assert listener.headers["cache-control"] == "no-store, no-transform"
        assert "content-encoding" not in listener.headers

    def test_a_quiet_stream_outlives_the_proxys_time_out(self, listener: Listener) -> None:
        eventually(lambda: listener.failed or listener.heard[-1][0] > PROXY_TIMEOUT_SECONDS, 60, "a sign of life after it")

        assert listener.failed is None
        assert b": heartbeat" in listener.heard[-1][1]

    def test_a_page_that_is_left_leaves_no_stream_behind(self, shopper: WebShopper, stack: Stack) -> None:
        def streams() -> float:
            told = httpx.get(f"{stack.url('account-gateway')}/metrics").text
            found = re.search(r"^atlas_http_connections(?:\{[^}]*\})? ([0-9.e+]+)$", told, re.MULTILINE)
            assert found, told
            return float(found[1])

        before = streams()
        tabs = [shopper.another_tab("/account") for _ in range(3)]
        for tab in tabs:
            tab.page.bring_to_front()
            tab.sees_badge("Preview")
        for tab in tabs:
            tab.page.close()

        eventually(lambda: streams() <= before + 1, 20, "the gateway holds no stream of a page that is gone")


class TestDeletion:
    def test_a_deleted_account_is_forgotten_by_billing_and_by_the_app(self, shopper: WebShopper, stack: Stack) -> None:
        session = buy(shopper)
        user_id = shopper.user_id
        shopper.page.get_by_role("button", name="Delete account").click()
        shopper.page.get_by_role("button", name="Delete for good").click()

        expect(shopper.page.get_by_role("link", name="Sign in to Upgrade")).to_be_visible()
        assert shopper.rows('SELECT 1 FROM "User" WHERE id = %s', user_id) == []
        assert shopper.rows('SELECT 1 FROM "Session" WHERE "userId" = %s', user_id) == []
        explained = stack.atlas("explain", user_id, "--json")
        assert session not in explained.stdout
        assert metadata_of(stack, session).get("userId") in (None, "")

    def test_with_a_key_of_its_own_the_app_signs_as_the_services_do(self, built: NextApp) -> None:
        key = OKPKey.generate_key("Ed25519")
        told: list[str] = []

        class Checkout(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.extend([self.path, self.headers["authorization"]])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        with HTTPServer(("127.0.0.1", 0), Checkout) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            script = "const { forgetAtBilling } = await import('./lib/forget.ts'); console.log(await forgetAtBilling('a/b'))"
            environ = {"INTERNAL_SIGNING_KEY": json.dumps(key.as_dict(private=True)), "ATLAS_CHECKOUT_URL": f"http://127.0.0.1:{server.server_port}"}
            assert built.node(script, **environ) == "forgotten"

        assert told[0] == "/internal/v1/users/a%2Fb/forget"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # RFC 9864 has another name for this algorithm; the services say EdDSA
            token = jwt.decode(told[1].removeprefix("Bearer "), key, algorithms=["EdDSA"])
        assert token.header == {"alg": "EdDSA", "kid": "atlas-web", "typ": "JWT"}
        assert {name: token.claims[name] for name in ("iss", "aud", "sub")} == {"iss": "atlas-web", "aud": "checkout", "sub": "a/b"}
        assert token.claims["exp"] - token.claims["iat"] == 60 and abs(token.claims["iat"] - time.time()) < 30

    def test_an_account_with_a_payment_under_way_is_kept_and_told_why(self, shopper: WebShopper) -> None:
        shopper.go_to_checkout()
        shopper.pay(BANK_DEBIT)
        shopper.sees_badge("Payment processing")
        shopper.page.get_by_role("button", name="Delete account").click()
        shopper.page.get_by_role("button", name="Delete for good").click()

        shopper.sees_toast("A payment of yours is still being processed.", role="alert")
        assert shopper.user_id

    def test_another_sites_page_deletes_nobody(self, shopper: WebShopper) -> None:
        for origin in ("https://evil.example", "null"):
            answer = shopper.context.request.delete(f"{shopper.origin}/api/account", headers={"origin": origin})
            assert answer.status == 403
        assert shopper.user_id

    def test_while_billing_cannot_forget_the_account_stays(self, shopper: WebShopper, built: NextApp, tmp_path: Path) -> None:
        """Refused (a wrong secret) or away: the user is still there, and may try again."""
        other = json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=True)) if "INTERNAL_SIGNING_KEY" in built.environ else ""
        twin = built.twin(tmp_path / "twin", INTERNAL_AUTH_SECRET="x" * 40, INTERNAL_SIGNING_KEY=other)
        cookie = {"cookie": f"next-auth.session-token={session_cookie(shopper)}", "origin": twin.environ["NEXTAUTH_URL"]}
        with twin.running():
            refused = httpx.delete(f"{twin.origin}/api/account", headers=cookie)
        assert refused.status_code == 503
        assert refused.json() == {"error": "Your account could not be deleted right now. Please try again later."}
        assert shopper.user_id


@dataclass
class Listener:
    """Somebody who follows the event stream through Next, and does nothing else, while the other tests run."""

    url: str
    cookie: str
    began: float = field(default_factory=time.monotonic)
    headers: dict[str, str] = field(default_factory=dict)
    heard: list[tuple[float, bytes]] = field(default_factory=list)
    failed: Exception | None = None
    enough: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        headers = {"cookie": self.cookie, "accept-encoding": "gzip, deflate, br"}
        try:
            with httpx.stream("GET", self.url, headers=headers, timeout=60) as answer:
                self.headers = dict(answer.headers)
                for chunk in answer.iter_raw():
                    self.heard.append((time.monotonic() - self.began, chunk))
                    if self.enough.is_set():
                        return
        except Exception as error:
            self.failed = error


@pytest.fixture(scope="session", autouse=True)
def listener(app: NextApp) -> Iterator[Listener]:
    """Begins before the first test, so that nobody waits for half a minute of quiet."""
    form = {"email": "listener@example.com", "callbackUrl": "/account"}
    signed_in = httpx.post(f"{app.origin}/api/sign-in", data=form, headers={"origin": app.origin})
    following = Listener(app.origin + STREAM, signed_in.headers["set-cookie"].partition(";")[0])
    thread = threading.Thread(target=following.listen, daemon=True)
    thread.start()
    yield following
    following.enough.set()


class TestLiveUpdates:
    def test_the_first_event_comes_through_nexts_proxy_at_once_and_uncompressed(self, listener: Listener) -> None:
        eventually(lambda: listener.heard or listener.failed, 5, "the first event")

        assert listener.failed is None
        assert listener.heard[0][0] < 5
        assert listener.heard[0][1].startswith(b"retry: 2000\nevent: entitlement\ndata: {")
        assert listener.headers["cache-control"] == "no-store, no-transform"
        assert "content-encoding" not in listener.headers

    def test_a_quiet_stream_outlives_the_proxys_time_out(self, listener: Listener) -> None:
        eventually(lambda: listener.failed or listener.heard[-1][0] > PROXY_TIMEOUT_SECONDS, 60, "a sign of life after it")

        assert listener.failed is None
        assert b": heartbeat" in listener.heard[-1][1]

    def test_a_page_that_is_left_leaves_no_stream_behind(self, shopper: WebShopper, stack: Stack) -> None:
        def streams() -> float:
            told = httpx.get(f"{stack.url('account-gateway')}/metrics").text
            found = re.search(r"^atlas_http_connections(?:\{[^}]*\})? ([0-9.e+]+)$", told, re.MULTILINE)
            assert found, told
            return float(found[1])

        before = streams()
        tabs = [shopper.another_tab("/account") for _ in range(3)]
        for tab in tabs:
            tab.page.bring_to_front()
            tab.sees_badge("Preview")
        for tab in tabs:
            tab.page.close()

        eventually(lambda: streams() <= before + 1, 20, "the gateway holds no stream of a page that is gone")


class TestDeletion:
    def test_a_deleted_account_is_forgotten_by_billing_and_by_the_app(self, shopper: WebShopper, stack: Stack) -> None:
        session = buy(shopper)
        user_id = shopper.user_id
        shopper.page.get_by_role("button", name="Delete account").click()
        shopper.page.get_by_role("button", name="Delete for good").click()

        expect(shopper.page.get_by_role("link", name="Sign in to Upgrade")).to_be_visible()
        assert shopper.rows('SELECT 1 FROM "User" WHERE id = %s', user_id) == []
        assert shopper.rows('SELECT 1 FROM "Session" WHERE "userId" = %s', user_id) == []
        explained = stack.atlas("explain", user_id, "--json")
        assert session not in explained.stdout
        assert metadata_of(stack, session).get("userId") in (None, "")

    def test_with_a_key_of_its_own_the_app_signs_as_the_services_do(self, built: NextApp) -> None:
        key = OKPKey.generate_key("Ed25519")
        told: list[str] = []

        class Checkout(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.extend([self.path, self.headers["authorization"]])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        with HTTPServer(("127.0.0.1", 0), Checkout) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            script = "const { forgetAtBilling } = await import('./lib/forget.ts'); console.log(await forgetAtBilling('a/b'))"
            environ = {"INTERNAL_SIGNING_KEY": json.dumps(key.as_dict(private=True)), "ATLAS_CHECKOUT_URL": f"http://127.0.0.1:{server.server_port}"}
            assert built.node(script, **environ) == "forgotten"

        assert told[0] == "/internal/v1/users/a%2Fb/forget"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # RFC 9864 has another name for this algorithm; the services say EdDSA
            token = jwt.decode(told[1].removeprefix("Bearer "), key, algorithms=["EdDSA"])
        assert token.header == {"alg": "EdDSA", "kid": "atlas-web", "typ": "JWT"}
        assert {name: token.claims[name] for name in ("iss", "aud", "sub")} == {"iss": "atlas-web", "aud": "checkout", "sub": "a/b"}
        assert token.claims["exp"] - token.claims["iat"] == 60 and abs(token.claims["iat"] - time.time()) < 30

    def test_an_account_with_a_payment_under_way_is_kept_and_told_why(self, shopper: WebShopper) -> None:
        shopper.go_to_checkout()
        shopper.pay(BANK_DEBIT)
        shopper.sees_badge("Payment processing")
        shopper.page.get_by_role("button", name="Delete account").click()
        shopper.page.get_by_role("button", name="Delete for good").click()

        shopper.sees_toast("A payment of yours is still being processed.", role="alert")
        assert shopper.user_id

    def test_another_sites_page_deletes_nobody(self, shopper: WebShopper) -> None:
        for origin in ("https://evil.example", "null"):
            answer = shopper.context.request.delete(f"{shopper.origin}/api/account", headers={"origin": origin})
            assert answer.status == 403
        assert shopper.user_id

    def test_while_billing_cannot_forget_the_account_stays(self, shopper: WebShopper, built: NextApp, tmp_path: Path) -> None:
        """Refused (a wrong secret) or away: the user is still there, and may try again."""
        twin = built.twin(tmp_path / "twin", INTERNAL_AUTH_SECRET="x" * 40, INTERNAL_SIGNING_KEY="")
        try:
            twin.start()
            answer = httpx.delete(
                f"{twin.origin}/api/account",
                headers={"origin": twin.environ["NEXTAUTH_URL"], "cookie": f"next-auth.session-token={session_cookie(shopper)}"},
            )
            assert answer.status_code == 503
            assert answer.json() == {"error": "Your account could not be deleted right now. Please try again later."}
            assert shopper.user_id
        finally:
            twin.stop()


class TestWayBack:
    def test_switched_off_the_app_answers_by_itself_and_reads_its_old_tables(self, shopper: WebShopper, built: NextApp, tmp_path: Path) -> None:
        """In development mode, where nothing has to be built: the same configuration is read."""
        with psycopg.connect(shopper.database, autocommit=True) as database:
            grant = """INSERT INTO "ProEntitlement" (id, "userId", status, source, "restoredAt", "createdAt", "updatedAt")
                       VALUES (%s, %s, 'active', 'promo', '2026-03-02 23:30', now(), now())"""
            database.execute(grant, (shopper.user, shopper.user_id))
        cookie = {"cookie": f"next-auth.session-token={session_cookie(shopper)}"}
        twin = built.twin(tmp_path / "twin")
        handler = twin.folder / "app" / "api" / "pro" / "entitlement" / "route.ts"
        handler.parent.mkdir(parents=True)
        handler.write_text("export const GET = () => Response.json({ old: true });")
        with twin.running("dev"):
            answer = httpx.get(f"{twin.origin}/api/pro/entitlement", headers=cookie, timeout=60)
            assert answer.json()["ok"] and answer.headers["x-request-id"], "the gateway answers before the app's own handler"

        twin.environ |= {"ATLAS_BILLING": "off", "ATLAS_GATEWAY_URL": ""}
        with twin.running("dev"):
            answer = httpx.get(f"{twin.origin}/api/pro/entitlement", headers=cookie, timeout=60)
            guarded = httpx.get(f"{twin.origin}/api/pro/entitlement", timeout=60)
            page = httpx.get(f"{twin.origin}/account", headers=cookie, timeout=60).text

        assert answer.json() == {"old": True}, "its own handler answers again"
        assert guarded.json() == {"error": "Not authenticated."}, "behind the app's own guard"
        assert "Pro active" in page
        assert "2 March 2026" in page, "read as UTC"
        assert not shopper.server_sees_pro(), "with billing on, its word counts: this grant was never imported"


class TestLooks:
    @pytest.mark.parametrize("width", [375, 1280])
    def test_pages_are_accessible_and_fit(self, shopper: WebShopper, width: int) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        page = shopper.page
        page.emulate_media(reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 800})
        views = {"pro": "/pro", "account": "/account?checkout=cancel", "sign-in": "/sign-in?error=email", "account-pro": "/account"}
        for name, path in views.items():
            if name == "account-pro":
                granted = shopper.stack.atlas("grant", shopper.user_id, "--reason", "to look at it")
                assert granted.returncode == 0, granted.stderr
            shopper.open(path)
            if name == "account":
                shopper.sees_toast("Checkout canceled.")
            if name == "account-pro":
                shopper.sees_badge("Pro active")
            page.evaluate(Axe().axe_script)
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)
                page.screenshot(path=PICTURES / f"{name}-{theme}-{width}.png", full_page=True)
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
                violations = page.evaluate("axe.run({resultTypes: ['violations']}).then(found => found.violations)")
                assert not violations, (path, theme, [(v["id"], [n["html"] for n in v["nodes"]]) for v in violations])
