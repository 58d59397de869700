"""Life stories of buyers, played through a real stack in bad weather, and what each must end in.

The teller keeps its own, naive account of every purchase (paid? given back? lost?), so that what the stack says can be
compared with what really happened at Stripe.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp

from account_gateway.session.mint import mint_token
from support.bought import Bought, Wrong
from support.teller import Teller

AT_ONCE = 12
FINAL_DISPUTE = ("won", "lost", "warning_closed", "prevented")


@dataclass
class Story:
    """One user's life; the same seed and number make the same one."""

    teller: Teller
    number: int
    log: list[str] = field(default_factory=list)
    purchases: list[Bought] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.user = f"story-{self.teller.seed}-{self.number}"
        self.chance = Random(f"{self.teller.seed}:{self.number}")
        self.last_read = 0
        self.cookie = {"cookie": f"{self.teller.cookie}={mint_token(self.user, self.teller.secret)}"}

    @property
    def truth(self) -> str:
        """What the user's status must be once everything is known."""
        if any(bought.stands for bought in self.purchases):
            return "active"
        return "revoked" if any(bought.paid for bought in self.purchases) else "none"

    async def play(self) -> None:
        for _ in range(self.chance.randint(4, 14)):
            action, *arguments = self.chance.choice(list(self._possible()))
            self.log.append(f"{action.__name__} {arguments}")
            await action(*arguments)
        for bought in self.purchases:  # nothing stays under way
            for refund, (_, status) in list(bought.refunds.items()):
                if status == "pending":
                    await self.refund_ends(bought, refund)

    def _possible(self) -> Any:
        yield (self.opens_checkout,)
        yield (self.restores,)
        if self.chance.random() < 0.15:
            yield (self.pays_a_cheap_link,)
        for bought in self.purchases:
            if bought.customer and self.chance.random() < 0.2:
                yield self.buys_twice, bought
            if bought.state == "open":
                yield self.pays, bought
                yield self.pays, bought
                yield self.pays_later, bought
            if bought.state == "open" and self.chance.random() < 0.3:
                yield self.lets_expire, bought
            if bought.state == "processing":
                yield self.settles, bought
            if bought.state == "paid" and bought.ours:
                yield self.confirms, bought
                # Stripe refunds nothing that was charged back, however that ended; an inquiry is no chargeback.
                if not bought.refunded and all(s.startswith("warning") for s in bought.disputes.values()):
                    yield self.is_refunded, bought
                if not bought.disputes:
                    yield self.disputes, bought
            for refund, (_, status) in bought.refunds.items():
                if status != "failed" and self.chance.random() < 0.5:
                    yield self.refund_ends, bought, refund
            for dispute, status in bought.disputes.items():
                if status not in FINAL_DISPUTE:
                    yield self.dispute_moves, bought, dispute
                elif status == "lost" and self.chance.random() < 0.3:
                    yield self.appeals, bought, dispute

    # --- What may happen ----------------------------------------------------------------------------------------

    async def opens_checkout(self) -> None:
        status, answer = await self.gateway("POST", "/api/billing/stripe/checkout", {"source": "hero"})
        if status == 400:
            processing = any(self.is_under_way(bought) for bought in self.purchases)
            allowed = {"Pro is already active."} | ({"A payment is already being processed."} if processing else set())
            if any(bought.state == "paid" and not bought.ours for bought in self.purchases):
                allowed.add("Your payment was received and is being reviewed. Please contact support.")
            if answer["error"]["message"] not in allowed:
                raise Wrong(answer)
            return
        if status != 200:
            raise Wrong((status, answer))
        session_id = next(part for part in answer["data"]["url"].replace("?", "/").split("/") if part.startswith("cs_"))
        if all(bought.session != session_id for bought in self.purchases):
            session = await self.teller.stripe("GET", f"/v1/checkout/sessions/{session_id}")
            self.purchases.append(Bought(session_id, session["customer"], amount=session["amount_total"]))

    def is_under_way(self, bought: Bought) -> bool:
        """Whether somebody who wants to buy again may hear that this purchase is still being processed."""
        return bought.state == "processing"

    async def buys_twice(self, bought: Bought) -> None:
        """A second session that our checkout service knows nothing of, with all of our metadata."""
        form = {
            "mode": "payment", "customer": str(bought.customer), "client_reference_id": self.user,
            "line_items[0][price]": self.teller.price, "line_items[0][quantity]": "1",
            "metadata[userId]": self.user, "metadata[productKey]": "pro_lifetime_v1",
            "success_url": "http://127.0.0.1/ok",
        }  # fmt: skip
        session = await self.teller.stripe("POST", "/v1/checkout/sessions", form)
        second = Bought(session["id"], session["customer"], amount=session["amount_total"])
        self.purchases.append(second)
        await self.pays(second)

    async def pays_a_cheap_link(self) -> None:
        body = {"metadata": {"userId": self.user, "productKey": "pro_lifetime_v1"}, "client_reference_id": self.user}
        session = await self.sandbox("POST", "/payment_links/pay", body)
        self.purchases.append(Bought(session["id"], None, state="paid", ours=False))

    async def pays(self, bought: Bought) -> None:
        session = await self.sandbox("POST", f"/checkout/{bought.session}/pay", {"outcome": "paid"})
        bought.state, bought.intent = "paid", session["payment_intent"]

    async def pays_later(self, bought: Bought) -> None:
        session = await self.sandbox("POST", f"/checkout/{bought.session}/pay", {"outcome": "processing"})
        bought.state, bought.intent = "processing", session["payment_intent"]

    async def settles(self, bought: Bought) -> None:
        result = self.chance.choice(("succeeded", "succeeded", "failed"))
        await self.sandbox("POST", f"/checkout/{bought.session}/settle", {"result": result})
        bought.state = "paid" if result == "succeeded" else "failed"

    async def lets_expire(self, bought: Bought) -> None:
        await self.sandbox("POST", f"/checkout/{bought.session}/expire", {})
        bought.state = "expired"

    async def is_refunded(self, bought: Bought) -> None:
        left = bought.amount - bought.given_back
        amount = self.chance.choice((left, max(left // 2, 1), max(left // 3, 1)))
        # A pending one only where no refund failed before: the charge's sum then tells no longer which one counts.
        status = (
            "succeeded"
            if any(s == "failed" for _, s in bought.refunds.values())
            else self.chance.choice(("succeeded", "succeeded", "pending"))
        )
        refund = await self.sandbox(
            "POST", "/refunds", {"payment_intent": bought.intent, "amount": amount, "status": status}
        )
        bought.refunds[refund["id"]] = (amount, status)

    async def refund_ends(self, bought: Bought, refund: str) -> None:
        amount, status = bought.refunds[refund]
        others = [s for each, (_, s) in bought.refunds.items() if each != refund]
        if status == "pending" and (self.chance.random() < 0.5 or "pending" in others):
            await self.sandbox("POST", f"/refunds/{refund}/settle", {})
            bought.refunds[refund] = (amount, "succeeded")
        elif "pending" not in others:  # as above: none pending beside one that failed
            await self.sandbox("POST", f"/refunds/{refund}/fail", {})
            bought.refunds[refund] = (amount, "failed")

    async def disputes(self, bought: Bought) -> None:
        status = self.chance.choice(("needs_response", "needs_response", "warning_needs_response", "prevented"))
        body = {"payment_intent": bought.intent, "status": status, "detached": self.chance.random() < 0.3}
        dispute = await self.sandbox("POST", "/disputes", body)
        bought.disputes[dispute["id"]] = dispute["status"]

    async def dispute_moves(self, bought: Bought, dispute: str) -> None:
        inquiry = bought.disputes[dispute].startswith("warning")
        choices = (
            ("warning_under_review", "warning_closed", "needs_response") if inquiry else ("under_review", "won", "lost")
        )
        await self._move(bought, dispute, self.chance.choice(choices))

    async def appeals(self, bought: Bought, dispute: str) -> None:
        await asyncio.sleep(1.2)  # lost and appealed in the same second is lost (CONTRACT 10)
        await self._move(bought, dispute, "appeal_under_review")

    async def _move(self, bought: Bought, dispute: str, status: str) -> None:
        await self.sandbox("POST", f"/disputes/{dispute}", {"status": status})
        bought.disputes[dispute] = status

    async def restores(self) -> None:
        """Restore re-reads Stripe and waits: what it answers is the truth of this moment, webhooks or not."""
        truth = self.truth
        await self.next_second()
        status, answer = await self.gateway("POST", "/api/pro/restore", {"trigger": "account"})
        self.last_read = int(time.time())
        if status != 200:
            raise Wrong(f"restore answered {status}: {answer}")
        said = answer["data"]
        if said["entitlement"]["status"] != truth or (said["outcome"] in ("restored", "already_active")) != (
            truth == "active"
        ):
            raise Wrong(f"restore said {said}, the truth is {truth}")

    async def next_second(self) -> None:
        """Reads of one second are one moment (CONTRACT 11): what a refund does between two of them would not be seen."""
        while int(time.time()) <= self.last_read:
            await asyncio.sleep(0.05)

    async def confirms(self, bought: Bought) -> None:
        await self.next_second()
        status, answer = await self.gateway(
            "POST", "/api/billing/stripe/confirm", {"checkoutSessionId": bought.session}
        )
        self.last_read = int(time.time())
        if status == 404 and all(bought.session not in line for line in self.log if line.startswith("opens")):
            return  # a session that our checkout service never made isn't confirmed
        if status != 200:
            raise Wrong(f"confirm answered {status}: {answer}")
        if bought.stands and not answer["data"]["entitlement"]["isPro"]:
            raise Wrong(f"confirm said {answer['data']}, and {bought} stands")

    async def gateway(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        async with self.teller.http.request(
            method, self.teller.gateway_url + path, json=body, headers=self.cookie | {"origin": self.teller.gateway_url}
        ) as answer:
            return answer.status, await answer.json()

    async def sandbox(self, method: str, path: str, body: dict[str, Any]) -> Any:
        return await self.teller.sandbox(method, path, body)

    async def entitlement(self) -> dict[str, Any]:
        status, answer = await self.gateway("GET", "/api/pro/entitlement")
        if status != 200:
            raise Wrong((status, answer))
        return dict(answer["data"])

    def told(self) -> str:
        """For whoever has to find out what went wrong."""
        lines = "\n  ".join(self.log)
        return f"story {self.number} of seed {self.teller.seed} ({self.user}):\n  {lines}\n  {self.purchases}"


async def play(teller: Teller, numbers: range, progress: Callable[[int], None]) -> tuple[list[Story], list[str]]:
    """Play these stories, some at once; the stories and what went wrong on the way."""
    stories = [Story(teller, number) for number in numbers]
    waiting, wrong, done = iter(stories), [], 0

    async def work() -> None:
        nonlocal done
        for story in waiting:
            try:
                await story.play()
            except (Wrong, TimeoutError, aiohttp.ClientError) as problem:
                wrong.append(f"{type(problem).__name__}: {problem}\n{story.told()}")
            done += 1
            progress(done)

    async with teller.weather():
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return stories, wrong
