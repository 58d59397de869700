"""Every service dies at its worst moments, one after the other; started again, it goes on as if nothing had been.

The points are in ``tests/support/faults/inject/failpoints.py``: SIGKILL to the line, without a switch in the services.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import httpx
import pytest

from atlas_kit.http.identity import TokenMint
from support.buyer import Buyer
from support.faults import checker
from support.faults.wiring import INJECT
from support.identity import operator_key
from support.stack import Stack, eventually, new_stack
from support.teller import Teller

AGAIN_SECONDS = 60.0
"""A service is back in about a second; what it had been handed comes again after ten."""
LIMITS = {f"RATE_LIMIT_{name}": "0" for name in ("CHECKOUT", "PORTAL", "RESTORE", "CONFIRM")}


NO_PULL = {"BILLING_PULL_INTERVAL_SECONDS": "0"}


def _points() -> list[str]:
    """The names, read by a Python that finds the module as a service does."""
    ask = [sys.executable, "-c", "import failpoints, json; print(json.dumps(list(failpoints.POINTS)))"]
    said = subprocess.run(ask, env={"PYTHONPATH": str(INJECT)}, capture_output=True, check=True)
    names: list[str] = json.loads(said.stdout)
    return names


POINTS = _points()


@contextlib.contextmanager
def mortal_stack(**environ: str) -> Iterator[Stack]:
    """A stack whose services know where to die; nobody pulls but the tests."""
    with new_stack(LIMITS | NO_PULL | {"PYTHONPATH": str(INJECT)} | environ) as one:
        one.environ["ATLAS_FAILPOINT_FILE"] = str(one.home / "failpoint")
        one.up()
        yield one


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with mortal_stack() as one:
        yield one


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_this_point_it_goes_on_as_if_nothing_had_been(stack: Stack, point: str) -> None:
    buyer = Buyer(stack, re.sub(r"\W+", "-", point))
    assert not buyer.is_pro()
    (stack.home / "failpoint").write_text(point)

    session = answered(buyer.open_checkout)
    buyer.pay(session)
    answered(lambda: buyer.post("/api/billing/stripe/confirm", {"checkoutSessionId": session}))
    answered(lambda: buyer.post("/api/pro/restore", {"trigger": "account"}))
    answered(buyer.entitlement)
    if point == "ingest: grant published, not answered":
        grant = {"userId": f"{buyer.user}-2", "action": "grant", "reason": "test", "idempotencyKey": buyer.user}
        answered(lambda: operator(stack, "/operator/adjustments", grant))
    if point == "ingest: pulled, cursor not moved":
        with pytest.raises((httpx.HTTPError, AssertionError)):
            operator(stack, "/operator/pull", {"dryRun": False})

    died(stack, point)
    eventually(lambda: answered(buyer.is_pro), AGAIN_SECONDS, f"{buyer.user} is Pro")
    customers = buyer.stripe.v1.customers.search({"query": f"metadata['userId']:'{buyer.user}'"}).data
    assert len(customers) == 1, "one customer, whatever was lost on the way"
    sessions = buyer.stripe.v1.checkout.sessions.list({"customer": customers[0].id}).data
    assert [(one.id, one.status) for one in sessions] == [(session, "complete")], "and one sale"
    buyer.browser.close()


def test_after_all_these_deaths_the_books_are_right(stack: Stack) -> None:
    def pulled() -> bool:  # the lease of the replica that died over a pull lasts a minute
        return stack.atlas("pull", "--since", "24h").returncode == 0

    eventually(pulled, 90, "a pull")
    asyncio.run(checker.folded(stack))
    happened = asyncio.run(everything_at_stripe(stack))
    assert len(happened) >= len(POINTS)
    findings = checker.compare(happened, set(), checker.ledger_ids(stack))
    assert not findings, findings
    assert checker.stored_twice(stack) == []
    assert checker.announced_wrongly(stack) == []
    assert checker.operators_findings(stack) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sabotage", "point", "noticed"),
    [
        ("acknowledge before commit", "entitlements: folded, not committed", "the ledger lacks it for good"),
        ("answer before the broker's word", "ingest: about to publish", "acknowledged and lost, until a pull"),
        ("delete before publish", "entitlements: about to announce", "nobody was told"),
    ],
)
def test_without_the_protection_the_checker_complains(sabotage: str, point: str, noticed: str) -> None:
    with mortal_stack(ATLAS_FAILPOINT_SABOTAGE=sabotage) as stack:
        buyer = Buyer(stack)
        session = buyer.open_checkout()
        asyncio.run(checker.folded(stack))  # the sale itself is a fact; it is the payment's that is to suffer
        (stack.home / "failpoint").write_text(point)
        buyer.pay(session)
        died(stack, point)
        eventually(lambda: all(part["health"] == "ok" for part in stack.status()["services"].values()), AGAIN_SECONDS)
        acknowledged = asyncio.run(everything_at_stripe(stack, delivered=True))
        asyncio.run(checker.folded(stack))
        lost = checker.compare(set(), acknowledged, checker.ledger_ids(stack)).lost
        assert lost or checker.announced_wrongly(stack), noticed


def died(stack: Stack, point: str) -> None:
    """The process has died at its point."""
    eventually(lambda: (stack.home / "failpoint.fired").exists(), 20, f"died: {point}")
    (stack.home / "failpoint.fired").unlink()


async def everything_at_stripe(stack: Stack, *, delivered: bool = False) -> set[str]:
    """Every event that is our business, or those that our webhook acknowledged."""
    async with aiohttp.ClientSession() as http:
        teller = Teller(stack, "", http)
        return await (checker.acknowledged_events(teller) if delivered else checker.attempted_events(teller))


def answered(ask: Callable[[], Any]) -> Any:
    """The answer, asking again while the service is away: 503 or a broken connection, and nothing else, may come."""
    found: list[Any] = []

    def try_once() -> bool:
        try:
            found.append(ask())
        except httpx.TransportError:
            return False
        except AssertionError as error:
            assert str(error).startswith("503"), error
            return False
        return True

    eventually(try_once, AGAIN_SECONDS, "an answer")
    return found[-1]


def operator(stack: Stack, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Ask webhook-ingest as the operator; the answer's lines."""
    token = TokenMint(operator_key(stack.home), "operator").token("webhook-ingest", "operator")
    answer = httpx.post(
        stack.url("webhook-ingest") + path, json=body, headers={"authorization": f"Bearer {token}"}, timeout=30
    )
    assert answer.is_success, f"{answer.status_code} {answer.text}"
    return [json.loads(line) for line in answer.text.splitlines()]
