"""Which account is ours: asked once, and never in the way."""

from __future__ import annotations

import asyncio

import pytest

from webhook_ingest.own_account import OwnAccount
from webhook_ingest.stripe_events import StripeUnavailable

pytestmark = pytest.mark.anyio


class Stripe:
    def __init__(self, *answers: str | Exception | None) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self) -> str | None:
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_configured_account_is_never_asked_for() -> None:
    stripe = Stripe()
    assert await OwnAccount("acct_set", stripe)() == "acct_set"
    assert stripe.asked == 0


async def test_many_events_at_once_ask_once() -> None:
    stripe = Stripe("acct_1")
    account = OwnAccount(None, stripe)
    assert await asyncio.gather(*(account() for _ in range(20))) == ["acct_1"] * 20
    assert stripe.asked == 1


@pytest.mark.parametrize("answer", [StripeUnavailable("stripe_permission"), StripeUnavailable(), None])
async def test_no_answer_is_not_asked_for_again_at_once_and_then_is(
    answer: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stripe = Stripe(answer, "acct_1")
    account = OwnAccount(None, stripe)
    assert [await account(), await account()] == [None, None]
    assert stripe.asked == 1
    monkeypatch.setattr("webhook_ingest.own_account.time.monotonic", lambda: 10**9)
    assert await account() == "acct_1"
