"""What goes through Next.js to the gateway and what does not, who may read sessions, and who is signed in."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import psycopg
import pytest
from playwright.sync_api import expect

from support.next_app import NextApp, WebShopper
from support.stack import Stack

OWN = {"/api/health"}
"""Whether the app is well is the app's to say."""
DAYS_OF_A_SESSION = 30


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


class TestRoles:
    """The SQL of the guide."""

    def test_the_gateways_role_finds_a_session_and_nothing_else(self, shopper: WebShopper, web_database) -> None:
        with psycopg.connect(web_database.reader, autocommit=True) as reader:
            find = 'SELECT "userId", expires FROM "Session" WHERE "sessionToken" = %s'
            assert reader.execute(find, (shopper.session_cookie,)).fetchone()[0] == shopper.user_id

            for refused in (
                'SELECT "ipAddress" FROM "Session"', 'SELECT email FROM "User"', 'DELETE FROM "Session"',
                'UPDATE "Session" SET expires = now()', "CREATE TABLE mine ()",
            ):  # fmt: skip
                with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                    reader.execute(refused)


    def test_the_imports_role_reads_the_old_tables_and_of_users_only_who_there_is(self, web_database) -> None:
        with psycopg.connect(web_database.importer, autocommit=True) as importer:
            for table in ("ProEntitlement", "BillingEntitlementProjection", "BillingEventLedger"):
                importer.execute(f'SELECT * FROM "{table}"')
            importer.execute('SELECT id, "deletedAt" FROM "User"')

            for refused in ('SELECT email FROM "User"', 'SELECT 1 FROM "Session"', 'DELETE FROM "ProEntitlement"'):
                with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                    importer.execute(refused)


class TestSignIn:
    def test_a_session_ends_in_thirty_days_by_utc_whatever_zone_the_app_runs_in(self, shopper: WebShopper) -> None:
        row = """SELECT EXTRACT(EPOCH FROM expires - (now() AT TIME ZONE 'UTC')) / 86400 FROM "Session" WHERE "sessionToken" = %s"""
        assert float(shopper.rows(row, shopper.session_cookie)[0][0]) == pytest.approx(DAYS_OF_A_SESSION, abs=0.1)
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
        cookie = shopper.session_cookie
        shopper.open("/account").page.get_by_role("button", name="Sign out").click()

        expect(shopper.page.get_by_role("link", name="Sign in to Upgrade")).to_be_visible()
        assert shopper.rows('SELECT 1 FROM "Session" WHERE "sessionToken" = %s', cookie) == []
        old = httpx.get(f"{shopper.origin}/api/pro/entitlement", headers={"cookie": f"next-auth.session-token={cookie}"})
        assert old.status_code == 401

    def test_a_session_that_was_ended_elsewhere_leads_through_the_sign_in_back_to_where_one_was(self, shopper: WebShopper) -> None:
        with psycopg.connect(shopper.database, autocommit=True) as database:
            database.execute('DELETE FROM "Session" WHERE "sessionToken" = %s', (shopper.session_cookie,))

        shopper.open("/account?checkout=cancel&source=hero")
        shopper.page.get_by_label("E-mail").fill(shopper.email)
        shopper.page.get_by_role("button", name="Sign in").click()

        shopper.sees_toast("Checkout canceled. No charge was made.")  # back in what was begun

    def test_in_production_nobody_is_believed_unless_it_is_switched_on(self, built: NextApp, tmp_path: Path) -> None:
        twin = built.twin(tmp_path / "twin", EXAMPLE_SIGN_IN="", ATLAS_BILLING="off", ATLAS_GATEWAY_URL="")
        with twin.running():
            form = {"email": "somebody@example.com", "callbackUrl": "/account"}
            refused = httpx.post(f"{twin.origin}/api/sign-in", data=form, headers={"origin": twin.environ["NEXTAUTH_URL"]})
            assert refused.status_code == 404 and "set-cookie" not in refused.headers
            assert httpx.get(f"{twin.origin}/sign-in").status_code == 404

            still_billings = httpx.get(f"{twin.origin}/api/pro/entitlement")
            assert still_billings.headers["x-request-id"], "what was switched at the build is not switched at the start"
