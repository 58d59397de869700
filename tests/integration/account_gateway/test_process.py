"""``python -m account_gateway`` as an operator meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from atlas_kit.process.logs import logged_user
from atlas_localstack.servers.ports import free_port
from support.gateway import SESSION_SECRET, cookie_of, entitlement_view, gateway_environment, stand_in

KEPT = ("PATH", "HOME", "PYTHONPATH", "VIRTUAL_ENV")


def environment(**variables: str) -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT if name in os.environ} | variables


@contextmanager
def process(port: int, **changes: str) -> Iterator[subprocess.Popen[str]]:
    variables = environment(**gateway_environment(f"http://127.0.0.1:{port}", **changes))
    command = [sys.executable, "-m", "account_gateway", "--port", str(port)]
    child = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 30
        while True:
            assert child.poll() is None and time.monotonic() < deadline, child.communicate()
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield child
    finally:
        child.kill()
        child.communicate()


def test_a_bad_configuration_is_refused_with_2_and_every_variable_is_named() -> None:
    variables = environment(NEXTAUTH_URL="canary", NATS_URL="nats://127.0.0.1:9", ATLAS_DEV_SIGN_IN="canary")
    done = subprocess.run([sys.executable, "-m", "account_gateway"], env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    names = [line.removeprefix("configuration: ").partition(":")[0] for line in lines]
    assert all(line.startswith("configuration: ") for line in lines)
    assert names == ["INTERNAL_SIGNING_KEY", "INTERNAL_TRUSTED_KEYS", "NEXTAUTH_URL", "NEXTAUTH_SECRET", "ATLAS_DEV_SIGN_IN"]
    assert "canary" not in done.stderr + done.stdout


def test_open_streams_end_when_the_process_is_told_to() -> None:
    port = free_port()
    with stand_in() as entitlements:
        entitlements.answer("GET /internal/entitlement", entitlement_view("alice"))
        with process(port, ENTITLEMENTS_URL=entitlements.url) as child, httpx.Client(trust_env=False, timeout=20) as client:
            url = f"http://127.0.0.1:{port}/api/pro/entitlement/stream"
            with client.stream("GET", url, headers=cookie_of("alice")) as response:
                lines = response.iter_lines()
                while not next(lines).startswith("data: "):
                    pass
                started = time.monotonic()
                child.send_signal(signal.SIGTERM)
                assert [line for line in lines if line.startswith("data: ")] == []
            child.wait(10)
            assert time.monotonic() - started < 3


def test_logs_are_json_lines_without_cookies_or_hosted_urls() -> None:
    port = free_port()
    hosted = "https://checkout.stripe.example/c/pay/canary"
    with stand_in() as checkout:
        checkout.answer(
            "POST /internal/checkout-sessions", {"url": hosted, "checkoutSessionId": "cs_test_1", "reused": True}
        )
        checkout.answer("POST /internal/portal-sessions", {"url": hosted})
        with process(port, CHECKOUT_URL=checkout.url) as child, httpx.Client(trust_env=False, timeout=20) as client:
            base = f"http://127.0.0.1:{port}"
            headers = cookie_of("alice") | {"x-request-id": "req-42"}
            answer = client.get(f"{base}/api/billing/stripe/checkout?source=hero", headers=headers)
            assert "server" not in answer.headers
            client.get(f"{base}/api/billing/stripe/portal", headers=headers)
            query = "checkout=success&source=hero&checkout_session_id=cs_test_1"
            client.get(f"{base}/account?{query}", headers=headers)
            client.get(f"{base}/account?checkout=success&checkout_session_id=cs_%0Acanary", headers=headers)
            child.send_signal(signal.SIGTERM)
            output, _ = child.communicate(timeout=20)
    logged = {line["event"]: line for line in map(json.loads, reversed(output.splitlines()))}
    redirect = logged["billing.checkout.redirect"]
    assert redirect.items() >= {
        "user": logged_user("alice"), "source": "hero", "checkoutSessionId": "cs_test_1", "reused": True,
        "requestId": "req-42", "service": "account-gateway", "level": "info",
    }.items()  # fmt: skip
    assert "timestamp" in redirect
    assert logged["billing.portal.redirect"]["user"] == logged_user("alice")
    assert "userId" not in logged["billing.portal.redirect"]
    assert logged["billing.checkout.return"].items() >= {
        "outcome": "success", "source": "hero", "checkoutSessionId": "cs_test_1", "user": logged_user("alice"),
    }.items()  # fmt: skip
    for secret in ("canary", SESSION_SECRET, headers["cookie"].partition("=")[2]):
        assert secret not in output
