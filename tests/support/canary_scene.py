"""A stack with canaries in every place where a secret or a person's data goes in, and all that can happen to a purchase."""


import contextlib
import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

from atlas_localstack.stack.home import Home
from support.buyer import Buyer, new_user
from support.canaries import Canaries
from support.stack import Stack, eventually, running_stack
from support.stripe_events import body_of, event, purchase, session, signature

CARD, CVC = "4242 4242 4242 4242", "9417"
SERVICES = ("account-gateway", "webhook-ingest", "checkout", "entitlements")
# What may be nowhere, whoever's it is: hosted pages and sessions' tokens are bearer credentials.
CREDENTIALS = {
    "a hosted checkout page": re.compile(rb"/c/pay/cs_|checkout\.stripe\.com/"),
    "a hosted portal page": re.compile(rb"/p/session/|billing\.stripe\.com/"),
    "an encrypted session": re.compile(rb"eyJhbGciOiJkaXIi"),
    "an internal token": re.compile(rb"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+"),
    "a signature header": re.compile(rb"t=\d{10},v1="),
    "a card number": re.compile(rb"4242[ -]?4242[ -]?4242[ -]?4242"),
    "a DSN with a password": re.compile(rb"(?:postgres(?:ql)?|nats)://\w+:\w+@"),
    "a stack trace in an answer or a metric": re.compile(rb"Traceback \(most recent"),
}
MAY_STAND_IN_FILES = "a stack trace in an answer or a metric"  # logs may hold one


@dataclass
class Scene:
    """The stack under search, what was planted in it, and what it answered."""

    stack: Stack
    canaries: Canaries
    buyers: list[str] = field(default_factory=list)
    answers: list[tuple[str, bytes]] = field(default_factory=list)

    def heard(self, response: httpx.Response) -> None:
        """Remember an error's head and body. (A success may tell its owner a hosted URL.)"""
        response.read()
        if response.status_code >= 400:
            head = b"\n".join(b"%b: %b" % pair for pair in response.headers.raw)
            self.answers.append(
                (f"{response.request.method} {response.request.url.path}", head + b"\n" + response.content)
            )

    def buyer(self) -> Buyer:
        someone = Buyer(self.stack, new_user("canary"))
        someone.browser.event_hooks["response"].append(self.heard)
        self.buyers.append(someone.user)
        self.canaries.plant(f"session cookie {len(self.buyers)}", next(iter(someone.browser.cookies.values())))
        return someone

    def client(self) -> httpx.Client:
        return httpx.Client(timeout=30, event_hooks={"response": [self.heard]})

    def deliver(self, body: bytes, header: str) -> httpx.Response:
        with self.client() as client:
            return client.post(self.stack.json["webhook"]["url"], content=body, headers={"stripe-signature": header})

    def signed(self, body: bytes) -> httpx.Response:
        return self.deliver(body, signature(body, self.stack.json["webhook"]["secret"]))


@contextlib.contextmanager
def canary_scene() -> Iterator[Scene]:
    canaries = Canaries()
    environment = {
        "STRIPE_SECRET_KEY": canaries.make("Stripe key", "sk_test_sandbox"),
        "STRIPE_WEBHOOK_SECRET": canaries.make("webhook secret", "whsec_"),
        "NEXTAUTH_SECRET": canaries.make("NEXTAUTH_SECRET"),
        "INTERNAL_AUTH_SECRET": canaries.make("INTERNAL_AUTH_SECRET"),
        "LOG_LEVEL": "DEBUG",
    }
    with running_stack(environment, desk=True) as stack:
        made = json.loads(Home(stack.home).secrets_file.read_text())
        for kind in ("postgres", "nats"):
            for role, password in made[kind].items():
                canaries.plant(f"{kind} password of {role}", password)
        canaries.plant("postgres password of the superuser", made["postgres_admin"])
        for file in Home(stack.home).keys.glob("*.json"):
            if key := json.loads(file.read_text()).get("d"):
                canaries.plant(f"signing key of {file.stem}", key)
        found = Scene(stack, canaries)
        _live(found)
        yield found


def _live(scene: Scene) -> None:
    """Everything that can happen to a purchase, with personal data typed wherever a person can type."""
    paid, refunded = scene.buyer(), scene.buyer()
    first = paid.open_checkout()
    _type_into_the_hosted_page(scene, paid, first)
    eventually(paid.is_pro, 30)
    paid.post("/api/billing/stripe/confirm", {"checkoutSessionId": first})
    paid.post("/api/pro/restore", {"trigger": "account"})
    paid.post("/api/billing/stripe/portal")
    paid.browser.get("/account")
    second = refunded.open_checkout()
    person = {"email": scene.canaries.make("email") + "@example.com", "name": scene.canaries.make("card holder", "Ms ")}
    refunded.sandbox("POST", f"/_sandbox/checkout/{second}/pay", {"outcome": "paid", **person})
    eventually(refunded.is_pro, 30)
    refunded.refund(second)
    eventually(lambda: not refunded.is_pro(), 30)
    refunded.post("/api/pro/restore", {"trigger": "account"})
    _fail_at_the_door(scene)
    _fail_at_stripe(scene)
    _fail_inside(scene)
    for part in ("nats", "postgres"):
        _lose(scene, part, paid)


def _type_into_the_hosted_page(scene: Scene, buyer: Buyer, session_id: str) -> None:
    page = f"{scene.stack.url('sandbox')}/c/pay/{session_id}"
    email = scene.canaries.make("typed email").lower() + "@example.com"
    scene.canaries.plant("typed email, as stored", email)
    form = {"email": email, "card": CARD, "expiry": "12 / 34", "cvc": CVC}
    assert httpx.post(page, data=form, timeout=30).status_code == 303


def _fail_at_the_door(scene: Scene) -> None:
    """Unsigned, badly signed, signed but broken, and what is parked; personal data in each."""
    details = {
        "customer_details": {
            "email": scene.canaries.make("parked email") + "@example.com",
            "name": scene.canaries.make("parked name"),
        },
        "customer_email": scene.canaries.make("parked customer email") + "@example.com",
        "url": "https://checkout.stripe.com/c/pay/" + scene.canaries.make("parked hosted url"),
        "client_secret": scene.canaries.make("parked client secret"),
    }
    bad = body_of(purchase(data={"object": session(**details)}))
    assert scene.deliver(bad, signature(bad, "whsec_" + scene.canaries.make("forger's secret"))).status_code == 403
    assert scene.deliver(bad, scene.canaries.make("signature header", "t=1,v1=")).status_code == 403
    assert scene.signed(bad[:-20]).status_code == 400
    assert scene.signed(b'{"email": "' + scene.canaries.make("broken JSON").encode()).status_code == 400
    contradicting = session(
        client_reference_id="somebody_else",
        metadata={"userId": "canary-parked", "productKey": "pro_lifetime_v1"},
        **details,
    )
    assert scene.signed(body_of(purchase(data={"object": contradicting}))).status_code == 200
    nul = session(note="a\0b", **details)
    assert scene.signed(body_of(purchase(data={"object": nul}))).status_code == 200
    assert (
        scene.signed(body_of(event("customer.created", {"id": "cus_1", "object": "customer", **details}))).status_code
        == 200
    )
    with scene.client() as client:
        url, canary = scene.stack.url("account-gateway"), scene.canaries.make("wrong bearer token")
        for headers in (
            {"authorization": f"Bearer {canary}"},
            {"cookie": f"next-auth.session-token={canary}"},
            {"x-forwarded-user": canary},
        ):
            assert client.get(f"{url}/api/pro/entitlement", headers=headers).status_code == 401


def _fail_at_stripe(scene: Scene) -> None:
    for status in (500, 429, 401, 400):
        buyer = scene.buyer()
        buyer.sandbox("PUT", "/_sandbox/api", {"fail_next": 100, "status": status})
        try:
            for path, body in (
                ("checkout", {"source": "hero"}),
                ("portal", None),
                ("confirm", {"checkoutSessionId": "cs_test_unknown"}),
            ):
                assert buyer.browser.post(f"/api/billing/stripe/{path}", json=body).status_code in {404, 503}
        finally:
            buyer.sandbox("PUT", "/_sandbox/api", {})


def _fail_inside(scene: Scene) -> None:
    """Internal doors, asked by somebody without a token."""
    canary = scene.canaries.make("forged internal token")
    doors = {
        "checkout": "/internal/billing-profile",
        "entitlements": "/internal/entitlement",
        "webhook-ingest": "/operator/parked",
    }
    with scene.client() as client:
        for service, path in doors.items():
            answer = client.get(scene.stack.url(service) + path, headers={"authorization": f"Bearer {canary}"})
            assert answer.status_code == 401


def _lose(scene: Scene, part: str, buyer: Buyer) -> None:
    """Kill a server, keep asking meanwhile, and wait until everything works again."""
    os.kill(scene.stack.pid(part), signal.SIGKILL)
    for _ in range(3):
        for path, body in (
            ("/api/billing/stripe/checkout", {"source": "faq"}),
            ("/api/pro/restore", {"trigger": "account"}),
        ):
            with contextlib.suppress(httpx.HTTPError):
                buyer.browser.post(path, json=body)
        with contextlib.suppress(httpx.HTTPError):
            scene.signed(body_of(purchase()))
        with scene.client() as client:
            for service in SERVICES:
                client.get(scene.stack.url(service) + "/readyz")

    def ready() -> bool:
        return all(
            httpx.get(scene.stack.url(service) + "/readyz", timeout=10).status_code == 200 for service in SERVICES
        )

    eventually(ready, 90, f"everything is ready again after {part} was killed")
