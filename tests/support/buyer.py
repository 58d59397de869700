"""A buyer as tests see one: a signed-in browser without pages, and the hand that pays on the hosted page."""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx
import stripe

from support.stack import Stack, eventually

_numbers = itertools.count(1)


_PRO = '"isPro":true'


def _until_pro(stream: httpx.Response) -> Iterator[str]:
    with contextlib.suppress(httpx.HTTPError):  # the page was closed
        for line in stream.iter_lines():
            yield line
            if _PRO in line:
                return


def new_user(name: str = "buyer") -> str:
    """A user id that no other test has."""
    return f"{name}-{next(_numbers)}-{secrets.token_hex(4)}"


@dataclass
class Buyer:
    """One signed-in user of a running stack."""

    stack: Stack
    user: str = field(default_factory=new_user)

    @cached_property
    def browser(self) -> httpx.Client:
        """An HTTP client that holds the user's session cookie, as the web app's sign-in would set it."""
        gateway = self.stack.url("account-gateway")
        client = httpx.Client(base_url=gateway, headers={"origin": gateway}, timeout=30)
        signed_in = client.post("/dev/sign-in", data={"user": self.user, "callbackUrl": "/account"})
        assert signed_in.status_code == 303, signed_in.text
        return client

    def get(self, path: str, **options: Any) -> Any:
        """`data` of a successful GET."""
        return _data(self.browser.get(path, **options))

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """`data` of a successful POST."""
        return _data(self.browser.post(path, json=body) if body is not None else self.browser.post(path))

    def entitlement(self) -> dict[str, Any]:
        read: dict[str, Any] = self.get("/api/pro/entitlement")
        return read

    def is_pro(self) -> bool:
        return bool(self.entitlement()["isPro"])

    def open_checkout(self) -> str:
        """Start a purchase; the checkout session's id."""
        url: str = self.post("/api/billing/stripe/checkout", {"source": "hero"})["url"]
        return session_id_of(url)

    def pay(self, session_id: str, outcome: str = "paid") -> dict[str, Any]:
        """Pay on the hosted page (through the sandbox's control surface)."""
        return self.sandbox("POST", f"/_sandbox/checkout/{session_id}/pay", {"outcome": outcome})

    def buy(self) -> str:
        """A whole purchase, until the entitlement is there; the session's id."""
        session_id = self.open_checkout()
        self.pay(session_id)
        eventually(self.is_pro, what=f"{self.user} is Pro")
        return session_id

    def buy_before_an_open_page(self) -> str:
        """A whole purchase while a page listens; the id that came with the live update that showed Pro."""
        session_id = self.open_checkout()
        pushed: list[str] = []
        with self.browser.stream("GET", "/api/pro/entitlement/stream", timeout=60) as stream:
            threading.Thread(target=lambda: pushed.extend(_until_pro(stream)), daemon=True).start()
            eventually(lambda: pushed, what="the present state")
            self.pay(session_id)
            eventually(lambda: any(_PRO in line for line in pushed), what="the update")
        [told_id] = [line.removeprefix("id: ") for line in pushed if line.startswith("id: ")]
        return told_id

    def refund(self, session_id: str, amount: int | None = None) -> Any:
        """Refund through Stripe's official SDK, in full unless an amount is given."""
        parameters: dict[str, Any] = {"payment_intent": self.payment_intent(session_id)}
        if amount is not None:
            parameters["amount"] = amount
        return self.stripe.v1.refunds.create(parameters)

    def payment_intent(self, session_id: str) -> str:
        intent = self.stripe.v1.checkout.sessions.retrieve(session_id).payment_intent
        assert isinstance(intent, str)
        return intent

    @cached_property
    def stripe(self) -> stripe.StripeClient:
        """The official SDK, pointed at the sandbox."""
        sandbox = self.stack.json["sandbox"]
        return stripe.StripeClient(sandbox["secret_key"], base_addresses={"api": sandbox["url"]})

    def sandbox(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the sandbox's control surface."""
        answer = httpx.request(method, self.stack.url("sandbox") + path, json=body, timeout=30)
        assert answer.is_success, answer.text
        return answer.json()


def session_id_of(url: str) -> str:
    """The checkout session's id inside a hosted page's URL."""
    return next(part for part in url.replace("?", "/").replace("#", "/").split("/") if part.startswith("cs_"))


def explain(stack: Stack, user: str) -> dict[str, Any]:
    """`./atlas explain USER --json`."""
    done = stack.atlas("explain", user, "--json")
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def _data(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.status_code} {answer.text}"
    return answer.json()["data"]
