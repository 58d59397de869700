"""Live updates through Next's proxy, accounts deleted, the way back, and how the pages look."""

from __future__ import annotations

import json
import re
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import psycopg
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey
from playwright.sync_api import expect

from support.next_app import Listener, NextApp, WebShopper
from support.page_check import accessible_and_fits
from support.shopper import BANK_DEBIT
from support.stack import Stack, eventually

PICTURES = Path(__file__).resolve().parents[2] / "test-results" / "nextjs"
PROXY_TIMEOUT_SECONDS = 30
"""Of Next's own proxy, after which it ends an answer that says nothing."""


def metadata_of(stack: Stack, session: str) -> dict[str, str]:
    """The metadata that Stripe still has of a checkout session."""
    sandbox = stack.json["sandbox"]
    answer = httpx.get(f"{sandbox['url']}/v1/checkout/sessions/{session}", headers={"authorization": f"Bearer {sandbox['secret_key']}"})
    return dict(answer.json()["metadata"])


class TestLiveUpdates:
    def test_the_first_event_comes_through_nexts_proxy_at_once_and_uncompressed(self, listener: Listener) -> None:
        eventually(lambda: listener.heard or listener.failed, 5, "the first event")

        assert listener.failed is None
        assert listener.heard[0][0] < 5
        assert listener.heard[0][1].startswith(b"retry: 2000\nevent: entitlement\ndata: {")
        assert listener.headers["cache-control"] == "no-store, no-transform"
        assert "content-encoding" not in listener.headers

    def test_a_quiet_stream_outlives_the_proxys_time_out(self, listener: Listener) -> None:
        eventually(lambda: listener.failed or (listener.heard and listener.heard[-1][0] > PROXY_TIMEOUT_SECONDS), 60, "a sign of life after it")

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
        session = shopper.buy()
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
        """Refused (a key that nobody trusts) or away: the user is still there, and may try again."""
        other = json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=True))
        twin = built.twin(tmp_path / "twin", INTERNAL_SIGNING_KEY=other)
        cookie = {"cookie": f"next-auth.session-token={shopper.session_cookie}", "origin": twin.environ["NEXTAUTH_URL"]}
        with twin.running():
            refused = httpx.delete(f"{twin.origin}/api/account", headers=cookie)
        assert refused.status_code == 503
        assert refused.json() == {"error": "Your account could not be deleted right now. Please try again later."}
        assert shopper.user_id


class TestWayBack:
    def test_switched_off_the_app_answers_by_itself_and_reads_its_old_tables(self, shopper: WebShopper, built: NextApp, tmp_path: Path) -> None:
        """In development mode, where nothing has to be built: the same configuration is read."""
        with psycopg.connect(shopper.database, autocommit=True) as database:
            grant = """INSERT INTO "ProEntitlement" (id, "userId", status, source, "restoredAt", "createdAt", "updatedAt")
                       VALUES (%s, %s, 'active', 'promo', '2026-03-02 23:30', now(), now())"""
            database.execute(grant, (shopper.user, shopper.user_id))
        cookie = {"cookie": f"next-auth.session-token={shopper.session_cookie}"}
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
            accessible_and_fits(page, name, (width,), PICTURES)
