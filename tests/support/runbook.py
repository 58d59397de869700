"""The situations of docs/runbook.md, each brought about on a running stack, in which the page's own blocks are run.

A scene is a generator: each ``yield page(section, …)`` runs the section's next block and gives back what it printed. What the page
promises of the situation and of its end is asserted here.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import httpx
import psycopg

from support.buyer import Buyer, new_user
from support.faults.alerting import dsn, paid_in_pounds, park
from support.stack import Stack, eventually
from support.state_bucket import delete_bucket, entry, tamper

PAID, BACK, LOST, MOVED_IN = '"I paid and I am not Pro"', '"They got their money back and are still Pro"', "Webhooks were down for hours", "Webhooks were off for two months"
PARKED, FRAUD, PROJECTION, ROLLING = "Something is parked", "The card network warns of fraud", "Is the projection right?", "Rolling out a new version"
BUCKET = "The bucket of states is gone or wrong, or ENTITLEMENTS was made anew"
FORGOTTEN, RETENTION, LOGS = "A user wants to be forgotten", "How long streams keep their messages", "Lines about one user in the logs"
BROKER, WORKER, DATABASE = "The broker is away", "`/readyz` names a worker", "A database is away"
DAY = 86_400


@dataclass
class Step:
    """The next block of a section: with these variables, expected to leave with one of ``exits``."""

    section: str
    variables: dict[str, str]
    exits: tuple[int, ...]


Scene = Generator[Step, str, None]


def page(section: str, *exits: int, **variables: str) -> Step:
    return Step(section, variables, exits or (0,))


@contextlib.contextmanager
def no_webhooks(stack: Stack) -> Iterator[Buyer]:
    """Stripe's webhooks are lost for a while; somebody who pays meanwhile."""
    buyer = Buyer(stack)
    buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "drop"})
    try:
        yield buyer
    finally:
        buyer.sandbox("PUT", "/_sandbox/delivery", {"mode": "normal"})


def paid_meanwhile(stack: Stack) -> tuple[Buyer, str]:
    """Somebody who paid, and whose webhook never came; the session."""
    with no_webhooks(stack) as buyer:
        session = buyer.open_checkout()
        buyer.pay(session)
    assert not buyer.is_pro()
    return buyer, session


def paid_and_not_pro(stack: Stack) -> Scene:
    buyer, session = paid_meanwhile(stack)
    said = yield page(PAID, USER_ID=buyer.user)
    assert f"{buyer.user} is not Pro" in said
    yield page(PAID)
    eventually(buyer.is_pro, what="the pull found the payment")
    assert buyer.user in (yield page(PAID, PAYMENT=buyer.payment_intent(session)))

    refused = Buyer(stack)
    session = paid_in_pounds(refused)
    try:
        eventually(lambda: refused.user in stack.atlas("doctor").stdout, what="the refused payment is known")
        said = yield page("AtlasPaymentRefused", 1)
        assert refused.user in said and session in said and "other_currency" in said
        assert "currency" in (yield page("AtlasPaymentRefused", USER_ID=refused.user))
        said = yield page(PAID, USER_ID=refused.user)
        assert refused.is_pro() and "because an operator said so" in said
    finally:
        refused.refund(session)
    eventually(lambda: refused.user not in stack.atlas("doctor").stdout, what="a full refund ends the review")


def money_back(stack: Stack) -> Scene:
    buyer = Buyer(stack)
    session = buyer.buy()
    buyer.refund(session, 1000)
    eventually(lambda: "$10.00 of $49.00" in stack.atlas("explain", buyer.user).stdout, what="the partial refund is known")
    said = yield page(BACK, USER_ID=buyer.user)
    assert f"{buyer.user} is Pro" in said and "$10.00 of $49.00" in said
    assert stack.atlas("grant", buyer.user, "--reason", "kindness").returncode == 0
    buyer.refund(session)
    eventually(lambda: "$49.00 of $49.00" in stack.atlas("explain", buyer.user).stdout or "in full" in stack.atlas("explain", buyer.user).stdout)
    assert buyer.is_pro(), "an operator's grant is never ended by a refund"
    yield page(BACK, USER_ID=buyer.user)
    assert not buyer.is_pro()

    other = Buyer(stack)
    payment = other.payment_intent(other.buy())
    yield page(BACK, USER_ID=other.user, PAYMENT=payment)
    assert not other.is_pro()
    other.post("/api/pro/restore", {"trigger": "account"})
    assert not other.is_pro(), "no restore brings it back"
    yield page(BACK, USER_ID=other.user, PAYMENT=payment)
    assert other.is_pro()


def webhooks_were_down(stack: Stack) -> Scene:
    buyer, _ = paid_meanwhile(stack)
    before = clean_audit(stack)
    assert buyer.user in (yield page("AtlasAuditWrong", 1))
    assert f"{buyer.user} is not Pro" in (yield page("AtlasAuditWrong", USER_ID=buyer.user))
    yield page("AtlasAuditWrong")
    assert buyer.is_pro()

    buyer, _ = paid_meanwhile(stack)
    assert "agree" in (yield page(LOST))
    assert buyer.is_pro()
    yield page("AtlasAuditOverdue")
    assert clean_audit(stack) > before, "the alert's clock begins anew"


def clean_audit(stack: Stack) -> float:
    """When the last audit without findings was, as the alert sees it."""
    told = httpx.get(stack.url("entitlements") + "/metrics", timeout=10).text
    found = re.search(r"^atlas_audit_last_clean_timestamp_seconds (\S+)$", told, re.MULTILINE)
    return float(found[1]) if found else 0.0


def webhooks_were_off(stack: Stack) -> Scene:
    user = new_user("long-ago")
    old = {"metadata": {"userId": user, "productKey": "pro_lifetime_v1"}, "created": int(time.time()) - 60 * DAY, "outcome": "paid"}
    Buyer(stack).sandbox("POST", "/_sandbox/seed", {"sessions": [old]})
    buyer = Buyer(stack, user)
    assert "Nothing was changed" in (yield page(MOVED_IN))
    assert not buyer.is_pro()
    said = yield page(MOVED_IN)
    assert " 1 new" in said and "agree" in said
    assert buyer.is_pro()
    assert " 0 new" in stack.atlas("backfill").stdout, "it adds nothing twice"


def parked(stack: Stack) -> Scene:
    park(stack, note="a\0b")
    assert "unprintable_text" in (yield page(PARKED, ID=parked_id(stack)))
    yield page(PARKED, ID=parked_id(stack))
    assert "Nothing is parked" in stack.atlas("parked", "list").stdout

    park(stack, client_reference_id="somebody-else")
    identity = parked_id(stack)
    refused = stack.atlas("parked", "redrive", identity)
    assert refused.returncode == 1, "one that must fail is refused"
    assert "ticket 124" in (yield page(PARKED, ID=identity))
    assert "Nothing is parked" in stack.atlas("parked", "list").stdout


def parked_id(stack: Stack) -> str:
    [row] = json.loads(stack.atlas("parked", "list", "--json").stdout)
    return str(row["id"])


def fraud(stack: Stack) -> Scene:
    buyer = Buyer(stack)
    session = buyer.buy()
    payment = buyer.payment_intent(session)
    buyer.sandbox("POST", "/_sandbox/fraud_warnings", {"payment_intent": payment})
    eventually(lambda: "fraud" in stack.atlas("explain", buyer.user).stdout, what="the warning is known")
    said = yield page(FRAUD)
    assert buyer.user in said and payment in said and buyer.is_pro()
    buyer.refund(session)
    eventually(lambda: buyer.user not in stack.atlas("doctor").stdout, what="a full refund takes it off the list")


def projection(stack: Stack) -> Scene:
    buyer = Buyer(stack)
    buyer.buy()
    with psycopg.connect(dsn(stack)) as database:
        database.execute("UPDATE entitlements SET is_pro = false WHERE user_id = %s", (buyer.user,))
    assert buyer.user in (yield page(PROJECTION, 1))
    yield page(PROJECTION)
    assert buyer.is_pro()
    assert stack.atlas("rebuild", "--verify").returncode == 0


def bucket(stack: Stack) -> Scene:
    buyer = Buyer(stack)
    buyer.buy()
    url = stack.json["nats"]["url"]
    right = eventually(lambda: entry(url, buyer.user), what="the entry")
    tamper(url, buyer.user, {**right, "isPro": False})
    yield page(BUCKET, 1)
    yield page(BUCKET)
    assert entry(url, buyer.user) == right

    delete_bucket(url)
    assert stack.atlas("doctor").returncode == 1
    assert stack.atlas("republish").returncode == 0
    assert entry(url, buyer.user) == right
    assert stack.atlas("republish", "--user", buyer.user).returncode == 0
