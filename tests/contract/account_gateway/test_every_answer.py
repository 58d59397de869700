"""What all routes of the public API have in common: who is refused, limits, headers, health (CONTRACT 1, 2, 10)."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from support.gateway import cookie_of, new_user
from support.public_api import (
    CHECKOUT,
    CONFIRM,
    ENTITLEMENT,
    JSON_TYPE,
    NOT_FOUND,
    OVERVIEW,
    PORTAL,
    RESTORE,
    STREAM,
    SUMMARY,
    TOO_MANY,
    UNAUTHORIZED,
    assert_error,
    get,
    post,
    sells,
)

SIGNED_IN_ROUTES = [
    ("GET", ENTITLEMENT),
    ("GET", STREAM),
    ("GET", OVERVIEW),
    ("GET", CHECKOUT),
    ("POST", CHECKOUT),
    ("GET", PORTAL),
    ("POST", PORTAL),
    ("POST", CONFIRM),
    ("POST", RESTORE),
]


@pytest.mark.parametrize(("method", "path"), SIGNED_IN_ROUTES)
@pytest.mark.parametrize("headers", [{}, {"cookie": "next-auth.session-token=x"}, {"authorization": "Bearer x"}], ids=str)
def test_nobody_is_401_everywhere(world: Any, method: str, path: str, headers: dict[str, str]) -> None:
    response = world.client.request(method, path, headers=headers)
    assert_error(response, 401, *UNAUTHORIZED)
    assert not world.checkout.asked and not world.entitlements.asked


@pytest.mark.parametrize(("method", "path"), [route for route in SIGNED_IN_ROUTES if route[0] == "POST"])
@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}],
    ids=str,
)
def test_a_post_from_another_origin_is_403_and_has_no_effect(world: Any, method: str, path: str, headers: dict) -> None:
    response = world.client.request(method, path, headers=headers | cookie_of(new_user()), json={"trigger": "account"})
    assert_error(response, 403, "forbidden", "Forbidden.", "none")
    assert not world.checkout.asked


@pytest.mark.parametrize("path", [CHECKOUT, PORTAL])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-purpose": "prefetch"},
        {"sec-purpose": "prefetch;prerender"},
        {"purpose": "prefetch"},
        {"next-router-prefetch": "1"},
        {"rsc": "1"},
        {"next-router-state-tree": "%5B%22%22%5D"},
        {"next-url": "/account"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site", "accept": "text/html"},
    ],
    ids=str,
)
def test_a_prefetch_or_cross_site_link_is_403_and_has_no_effect(world: Any, path: str, headers: dict[str, str]) -> None:
    sells(world)
    cookie = cookie_of(new_user())
    for _ in range(11):  # more than the limit allows
        response = world.client.get(path, headers=headers | cookie)
        assert_error(response, 403, "forbidden", "Forbidden.", "none")
    assert not world.checkout.asked
    assert world.client.get(path, headers=cookie).status_code != 429, "what is refused is not counted"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", ENTITLEMENT, "GET"),
        ("DELETE", STREAM, "GET"),
        ("GET", RESTORE, "POST"),
        ("PUT", CHECKOUT, "GET, POST"),
        ("HEAD", CHECKOUT, "GET, POST"),
        ("OPTIONS", PORTAL, "GET, POST"),
        ("GET", CONFIRM, "POST"),
        ("POST", OVERVIEW, "GET"),
        ("POST", "/pro/upgrade", "GET"),
        ("POST", "/api/health", "GET"),
    ],
)
def test_a_wrong_method_is_405(world: Any, method: str, path: str, allow: str) -> None:
    response = world.client.request(method, path, headers=cookie_of(new_user()))
    assert response.status_code == 405
    assert response.headers["allow"] == allow
    if method != "HEAD":
        assert_error(response, 405, "invalid_request", "Method not allowed.", "none")
    assert not world.checkout.asked


@pytest.mark.parametrize("path", ["/nope", "/api", "/api/pro/entitlement/", "/internal/entitlement", "/operator/state", "//"])
def test_an_unknown_path_is_404(world: Any, path: str) -> None:
    assert_error(world.client.get(str(world.client.base_url).rstrip("/") + path), 404, "not_found", "Not found.", "none")


@pytest.mark.parametrize(("path", "count", "body"), [
    (CHECKOUT, 10, {}),
    (PORTAL, 10, {}),
    (RESTORE, 5, {"trigger": "account"}),
    (CONFIRM, 20, {"checkoutSessionId": "cs_test_1"}),
])  # fmt: skip
def test_each_route_has_its_limit_and_says_so(world: Any, path: str, count: int, body: Any) -> None:
    sells(world)
    world.checkout.answer("POST /internal/restore", NOT_FOUND)
    world.checkout.answer("POST /internal/confirm", {"outcome": "active", "entitlement": SUMMARY})
    user = new_user()
    for number in range(count):
        response = post(world, path, body, user)
        assert response.status_code == 200
        assert response.headers["x-ratelimit-limit"] == str(count)
        assert response.headers["x-ratelimit-remaining"] == str(count - 1 - number)
    response = post(world, path, body, user)
    assert_error(response, 429, *TOO_MANY)
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert response.headers["x-ratelimit-remaining"] == "0"
    assert 0 < int(response.headers["x-ratelimit-reset"]) - time.time() <= 61
    assert post(world, path, body, new_user()).status_code == 200


class TestEveryAnswer:
    @pytest.mark.parametrize("path", [ENTITLEMENT, "/api/health", "/nope", "/pro", "/account", "/openapi.json", "/pro/upgrade"])
    def test_security_headers(self, world: Any, path: str) -> None:
        headers = get(world, path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert "unsafe" not in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["permissions-policy"]
        assert "strict-transport-security" not in headers
        assert "server" not in headers

    @pytest.mark.parametrize("sent", ["a", "A-Z.0:9_x", "x" * 128])
    def test_a_good_request_id_comes_back(self, world: Any, sent: str) -> None:
        assert get(world, "/api/health", x_request_id=sent).headers["x-request-id"] == sent
        assert get(world, "/api/health", x_correlation_id=sent).headers["x-request-id"] == sent

    @pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a\tb", "a;b", "<script>", 'a"b', "a,b", "%0d%0aSet-Cookie:x=1"])
    def test_a_bad_request_id_is_replaced(self, world: Any, sent: str) -> None:
        answered = get(world, "/api/health", x_request_id=sent).headers["x-request-id"]
        assert answered != sent
        assert re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", answered)

    def test_the_request_id_goes_before_the_correlation_id(self, world: Any) -> None:
        assert get(world, "/api/health", x_request_id="one", x_correlation_id="two").headers["x-request-id"] == "one"
        assert get(world, "/api/health", x_request_id="n o", x_correlation_id="two").headers["x-request-id"] == "two"

    def test_a_body_over_the_limit_is_413(self, world: Any) -> None:
        response = world.client.post(RESTORE, content=b"a" * 100_000, headers=JSON_TYPE | cookie_of(new_user()))
        assert_error(response, 413, "invalid_request", "Request body is too large.", "none")

    def test_no_redirect_follows_the_host_header(self, world: Any) -> None:
        sells(world)
        evil = {"host": "evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "https"}
        for path in ("/pro/upgrade", CHECKOUT, "/api/pro/entitlement/"):
            response = world.client.get(path, headers=evil | cookie_of(new_user()) | {"accept": "text/html"})
            assert "evil" not in str(response.headers) + response.text


def test_health_is_bare(world: Any) -> None:
    body = get(world, "/api/health").json()
    assert set(body) == {"status", "timestamp", "uptimeSeconds"}
    assert body["status"] == "ok"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", body["timestamp"])
    assert body["uptimeSeconds"] >= 0


def test_ready_means_that_entitlements_answers(world: Any) -> None:
    assert get(world, "/readyz").json() == {"status": "ok", "failing": []}
    world.entitlements.answers.clear()
    response = get(world, "/readyz")
    assert (response.status_code, response.json()["failing"]) == (503, ["entitlements"])
    assert get(world, "/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/internal/entitlement", "/internal/checkout-sessions", "/operator/rebuild"])
def test_nothing_internal_is_reachable_through_the_gateway(world: Any, path: str) -> None:
    assert world.client.post(path, headers=cookie_of(new_user())).status_code == 404
    assert not world.checkout.asked and not world.entitlements.asked
