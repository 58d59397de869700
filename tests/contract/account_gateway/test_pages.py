"""The pages as answers: their one origin, an unknown one, signing out, and what /pro offers to whom."""

from __future__ import annotations

from typing import Any

import pytest

from account_gateway.settings import GatewaySettings
from atlas_kit.process.settings import ConfigurationError, load
from support.gateway import PRO, cookie_of, entitlement_view, gateway_environment, new_user, running_gateway

HTML = {"accept": "text/html,application/xhtml+xml"}
SINCE = "2026-11-23T09:58:00Z"


def overview(world: Any, user: str, payment: str | None = None, **changes: Any) -> None:
    state = {"state": payment, "since": SINCE} if payment else None
    world.entitlements.answer("GET /internal/overview", {"entitlement": entitlement_view(user, **changes), "payment": state})


class TestOneOrigin:
    @pytest.mark.parametrize("path", ["/", "/pro", "/account?checkout=success&x=%2F%2Fevil", "/legal", "/dev/sign-in?callbackUrl=/pro", "/pro/upgrade"])
    def test_a_page_under_another_name_of_this_machine_is_sent_to_the_one_origin(self, world: Any, path: str) -> None:
        port = world.client.base_url.port
        for name in ("localhost", "LOCALHOST", "[::1]"):
            answer = world.client.get(path, headers={**HTML, "host": f"{name}:{port}"})
            assert (answer.status_code, answer.headers["location"]) == (307, world.origin + path)

    @pytest.mark.parametrize("host", ["evil.example", "localhost", "localhost:1", "localhost.evil.example:{}", "127.0.0.1:{}", "localhost:{}@evil.example", ""])
    def test_no_other_host_name_leads_anywhere(self, world: Any, host: str) -> None:
        answer = world.client.get("/legal", headers={**HTML, "host": host.format(world.client.base_url.port)})
        assert "location" not in answer.headers

    @pytest.mark.parametrize(("method", "path"), [("GET", "/api/health"), ("POST", "/dev/sign-in"), ("GET", "//evil.example"), ("GET", "/api/billing/stripe/checkout")])
    def test_only_pages_that_are_read_are_redirected(self, world: Any, method: str, path: str) -> None:
        url = f"{world.origin}{path}"
        answer = world.client.request(method, url, headers={"host": f"localhost:{world.client.base_url.port}"})
        assert answer.status_code != 307 and not answer.headers.get("location", "").startswith(world.origin)

    def test_behind_a_public_origin_nothing_is_redirected(self) -> None:
        with running_gateway(NEXTAUTH_URL="https://atlas.example") as client:
            assert client.get("/legal", headers={"host": f"localhost:{client.base_url.port}"}).status_code == 200


class TestUnknownPages:
    @pytest.mark.parametrize("path", ["/nope", "/account/", "/pro/nope", "/dev/nope", "/<script>alert(1)</script>"])
    def test_a_browser_is_shown_a_page_of_the_product(self, world: Any, path: str) -> None:
        answer = world.client.get(path, headers=HTML)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")
        assert "There is no such page." in answer.text and 'href="/account"' in answer.text
        assert "<script>alert" not in answer.text
        assert not world.entitlements.asked, "nobody's session or account is looked up for it"

    @pytest.mark.parametrize(("method", "path", "headers"), [("GET", "/nope", {}), ("GET", "/api/nope", HTML), ("GET", "/api", HTML), ("GET", "/static/x/y.js", HTML), ("POST", "/nope", HTML)])
    def test_a_program_is_told_in_the_envelope(self, world: Any, method: str, path: str, headers: dict[str, str]) -> None:
        answer = world.client.request(method, path, headers=headers)
        assert answer.status_code == 404
        assert answer.json() == {"ok": False, "error": {"code": "not_found", "message": "Not found.", "recovery": "none"}}


class TestSigningOut:
    def test_every_session_cookie_goes_and_the_visitor_is_signed_out(self, world: Any) -> None:
        user = new_user()
        overview(world, user)
        token = cookie_of(user)["cookie"].partition("=")[2]
        for name in ("next-auth.session-token", "authjs.session-token", "authjs.session-token.0", "next-auth.session-token.1"):
            world.client.cookies.set(name, token, domain="127.0.0.1", path="/")
        page = world.client.get("/account", headers=HTML)
        assert f"<strong>{user}</strong>" in page.text
        assert 'action="/dev/sign-out"' in page.text

        answer = world.client.post("/dev/sign-out", headers={"origin": world.origin})

        assert (answer.status_code, answer.headers["location"]) == (303, "/account")
        assert not [cookie.name for cookie in world.client.cookies.jar if "session-token" in cookie.name]
        after = world.client.get("/account", headers=HTML).text
        assert user not in after and "sign-out" not in after
        assert world.client.get("/api/pro/entitlement").status_code == 401

    @pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}], ids=str)
    def test_another_site_signs_nobody_out(self, world: Any, headers: dict[str, str]) -> None:
        answer = world.client.post("/dev/sign-out", headers={**headers, **cookie_of(new_user())})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert world.client.get("/dev/sign-out").status_code == 405

    @pytest.mark.parametrize(("configured", "shown"), [("", ""), ("/api/auth/signout", 'href="/api/auth/signout"'), ("https://atlas.example/out", 'href="https://atlas.example/out"')])
    def test_where_the_web_app_owns_the_session_it_ends_it(self, configured: str, shown: str) -> None:
        with running_gateway(NEXTAUTH_URL="http://127.0.0.1:9", ATLAS_SIGN_OUT_URL=configured) as client:
            page = client.get("/account", headers={**HTML, **cookie_of("ada")}).text
            assert shown in page and ("Sign out" in page) is bool(configured)
            assert client.post("/dev/sign-out").status_code == 404

    @pytest.mark.parametrize("value", ["javascript:alert(1)", "http://evil.example", "//evil.example", "/a#b", "sign-out"])
    def test_a_link_that_leads_astray_is_refused_at_start(self, value: str) -> None:
        with pytest.raises(ConfigurationError, match="ATLAS_SIGN_OUT_URL"):
            load(GatewaySettings, gateway_environment("http://127.0.0.1:9", ATLAS_SIGN_OUT_URL=value))


class TestTheOffer:
    @pytest.mark.parametrize(("payment", "said"), [("processing", "3 to 5 business days"), ("needs_review", "could not be switched on automatically")])
    def test_who_has_paid_is_told_so_and_not_offered_to_pay_again(self, world: Any, payment: str, said: str) -> None:
        user = new_user()
        overview(world, user, payment)
        page = world.client.get("/pro", headers={**HTML, **cookie_of(user)}).text
        assert said in page and "See your payment in Account" in page
        assert "/api/billing/stripe/checkout" not in page and "/pro/upgrade" not in page

    def test_who_is_pro_manages_it_and_everybody_else_may_buy(self, world: Any) -> None:
        user = new_user()
        overview(world, user, **PRO)
        page = world.client.get("/pro", headers={**HTML, **cookie_of(user)}).text
        assert "Manage Pro in Account" in page and "/api/billing/stripe/checkout" not in page
        overview(world, user, "failed")
        assert "Upgrade to Pro" in world.client.get("/pro", headers={**HTML, **cookie_of(user)}).text

    def test_the_price_is_that_of_stripe_in_the_buyers_currency(self) -> None:
        from support.gateway import stand_in

        with stand_in() as checkout, running_gateway(CHECKOUT_URL=checkout.url) as client:
            checkout.answer("GET /internal/price", {"offers": [{"amount": 4900, "currency": "usd"}, {"amount": 4500, "currency": "eur"}]})
            assert "$49.00" in client.get("/pro").text
            german = client.get("/pro", headers={"accept-language": "de-DE"})
            assert "€45.00" in german.text and "$49.00" not in german.text
            assert "accept-language" in german.headers["vary"]
            assert [asked.path for asked in checkout.asked] == ["/internal/price"], "asked once, then kept"

    def test_without_an_answer_the_page_sells_without_a_price(self, world: Any) -> None:
        page = world.client.get("/pro")
        assert page.status_code == 200
        assert "Sign in to Upgrade" in page.text and "$" not in page.text
