"""Delivers webhooks: at least once, in any order, signed for each attempt, retried until the endpoint answers 2xx."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp

from stripe_sandbox.ids import random_text
from stripe_sandbox.operation import World
from stripe_sandbox.resources.endpoints import shown_event, wants
from stripe_sandbox.settings import API_VERSION
from stripe_sandbox.signing import signature_header
from stripe_sandbox.store import Json

MODES = ("normal", "hold", "drop")
# Seconds between attempts; after the last one the delivery is given up, after some two hours. The first three minutes
# are quick, so that a local stack catches up soon after a failure. Stripe is slower, and retries for three days.
PAUSES = (0.5, 1, 2, 4, 8, *(10,) * 6, *(15,) * 6, *(30,) * 6, *(60,) * 20, *(300,) * 18)
CONCURRENCY = 32
TIMEOUT_SECONDS = 10
SHUFFLE_SECONDS = 0.5  # the time over which ``shuffle`` spreads deliveries that are due at once
UNDELIVERED = ("held", "pending")
JITTER = 0.2
GONE = "endpoint is gone"


@dataclass(slots=True)
class DeliverySettings:
    """``duplicate``: number of extra copies of each webhook. ``delay_ms``: milliseconds before the first attempt.
    ``shuffle``: in random order.
    """

    mode: str = "normal"
    duplicate: int = 0
    shuffle: bool = False
    delay_ms: int = 0


@dataclass(slots=True)
class Delivery:
    """Sends webhooks. ``publish`` takes each new event. Call ``start`` before, and ``stop`` at the end."""

    world: World
    settings: DeliverySettings = field(default_factory=DeliverySettings)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    _tried: dict[str, asyncio.Event] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENCY))
    _client: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the HTTP client, and schedule what was not delivered before the last stop."""
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONCURRENCY * 2),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self.settings = DeliverySettings(**(self.world.store.get("setting", "delivery") or {}))
        for delivery in list(self.world.store.of("delivery").oldest_first()):
            if delivery["state"] == "pending":
                self._schedule(delivery, PAUSES[0])

    async def stop(self) -> None:
        """Stop sending; what is undelivered stays in the store."""
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def publish(self, event: Json) -> None:
        """Make a delivery per endpoint that wants the event, and send, hold or drop it as the settings say."""
        endpoints = [
            endpoint
            for endpoint in self.world.store.of("webhook_endpoint").oldest_first()
            if wants(endpoint, event["type"])
        ]
        if not endpoints:
            return
        deliveries = [self._new(event, endpoint["id"]) for endpoint in endpoints]
        self.world.store.put("deliveries_of", event["id"], {"ids": [delivery["id"] for delivery in deliveries]})
        self.world.store.commit()
        for delivery in deliveries:
            if delivery["state"] == "pending":
                self._schedule(delivery, self._first_pause())

    def release(self) -> int:
        """Send now what is held or waits for its next attempt. Returns the number of deliveries."""
        waiting = [
            delivery for delivery in self.world.store.of("delivery").oldest_first() if delivery["state"] in UNDELIVERED
        ]
        idle = [delivery for delivery in waiting if delivery["state"] == "held" or delivery["id"] in self._timers]
        if self.settings.shuffle:
            random.shuffle(idle)
        for delivery in idle:
            delivery["state"] = "pending"
            self._save(delivery)
            self._schedule(delivery, random.random() * SHUFFLE_SECONDS if self.settings.shuffle else 0)
        self.world.store.commit()
        return len(idle)

    def change(self, settings: DeliverySettings) -> None:
        """Use new settings from now on; the mode ``normal`` also sends what was held."""
        self.settings = settings
        self.world.store.put("setting", "delivery", asdict(settings))
        self.world.store.commit()
        if settings.mode == "normal":
            for delivery in list(self.world.store.of("delivery").oldest_first()):
                if delivery["state"] == "held":
                    delivery["state"] = "pending"
                    self._save(delivery)
                    self._schedule(delivery, self._first_pause())
            self.world.store.commit()

    def resend(self, event: Json) -> int:
        """Send an event again to every endpoint that wants it, in every mode. Returns the number of endpoints."""
        endpoints = [
            endpoint
            for endpoint in self.world.store.of("webhook_endpoint").oldest_first()
            if wants(endpoint, event["type"])
        ]
        known = (self.world.store.get("deliveries_of", event["id"]) or {"ids": []})["ids"]
        for endpoint in endpoints:
            delivery = self._new(event, endpoint["id"])
            delivery["state"] = "pending"
            known = [*known, delivery["id"]]
            self._schedule(delivery, 0)
        self.world.store.put("deliveries_of", event["id"], {"ids": known})
        self.world.store.commit()
        return len(endpoints)

    async def first_attempt(self, event_id: str, seconds: float) -> None:
        """Wait until each endpoint of the event was tried once, as Checkout does before it sends the buyer back."""
        if self.settings.mode != "normal":
            return
        deliveries = (self.world.store.get("deliveries_of", event_id) or {"ids": []})["ids"]
        pending = [self._tried[identifier].wait() for identifier in deliveries if identifier in self._tried]
        if pending:
            _, late = await asyncio.wait([asyncio.ensure_future(wait) for wait in pending], timeout=seconds)
            for task in late:
                task.cancel()

    def shown(self) -> dict[str, Any]:
        """The present settings, and the number of deliveries in each state."""
        states = [delivery["state"] for delivery in self.world.store.of("delivery").items.values()]
        counts = {state: states.count(state) for state in ("held", "pending", "succeeded", "failed", "dropped")}
        return {**asdict(self.settings), "counts": counts}

    def _new(self, event: Json, endpoint: str) -> Json:
        state = {"hold": "held", "drop": "dropped"}.get(self.settings.mode, "pending")
        delivery: Json = {
            "id": f"whd_{random_text(16)}",
            "event": event["id"],
            "type": event["type"],
            "endpoint": endpoint,
        }
        delivery.update(state=state, attempts=[], created=self.world.clock(), next_attempt=None)
        self._save(delivery)
        if state == "pending":
            self._tried[delivery["id"]] = asyncio.Event()
        return delivery

    def _first_pause(self) -> float:
        shuffle = random.random() * SHUFFLE_SECONDS if self.settings.shuffle else 0
        return self.settings.delay_ms / 1000 + shuffle

    def _schedule(self, delivery: Json, pause: float) -> None:
        earlier = self._timers.pop(delivery["id"], None)
        if earlier is not None:
            earlier.cancel()
        delivery["next_attempt"] = self.world.clock() + pause
        self._timers[delivery["id"]] = asyncio.get_running_loop().call_later(pause, self._begin, delivery)

    def _begin(self, delivery: Json) -> None:
        self._timers.pop(delivery["id"], None)
        task = asyncio.ensure_future(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Json) -> None:
        copies = 1 + self.settings.duplicate
        results = await asyncio.gather(*(self._attempt(delivery) for _ in range(copies)))
        delivery["attempts"] += results
        delivery["next_attempt"] = None
        if any(result["ok"] for result in results):
            delivery["state"] = "succeeded"
        elif results[0]["error"] == GONE or len(delivery["attempts"]) // copies > len(PAUSES):
            delivery["state"] = "failed"
        else:
            pause = PAUSES[min(len(delivery["attempts"]) // copies, len(PAUSES)) - 1]
            self._schedule(delivery, pause * (1 + random.random() * JITTER))
        self._save(delivery)
        self.world.store.commit()
        tried = self._tried.pop(delivery["id"], None)
        if tried is not None:
            tried.set()

    async def _attempt(self, delivery: Json) -> Json:
        """Make one request, and return the record of its result."""
        event = self.world.store.get("event", delivery["event"])
        endpoint = self.world.store.get("webhook_endpoint", delivery["endpoint"])
        if event is None or endpoint is None or self._client is None:
            return {"at": self.world.clock(), "status": None, "ok": False, "error": GONE, "ms": 0}
        told = {**shown_event(self.world.store, event), "api_version": endpoint["api_version"] or API_VERSION}
        body = json.dumps(told, indent=2, ensure_ascii=False).encode()
        secrets = (self.world.store.get("private", endpoint["id"]) or {})["secrets"]
        async with self._slots:
            started = self.world.clock()
            headers = {
                "Content-Type": "application/json; charset=utf-8",
                "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
                "Stripe-Signature": signature_header(body, secrets, int(started)),
            }
            result: Json = {"at": started, "status": None, "ok": False, "error": None}
            try:
                async with self._client.post(
                    endpoint["url"], data=body, headers=headers, allow_redirects=False
                ) as response:
                    await response.content.read(64_000)
                    result.update(status=response.status, ok=200 <= response.status < 300)
            except TimeoutError:
                result["error"] = "timed out"
            except (aiohttp.ClientError, OSError, ValueError) as error:
                result["error"] = type(error).__name__
            result["ms"] = round((self.world.clock() - started) * 1000, 1)
            return result

    def _save(self, delivery: Json) -> None:
        self.world.store.put("delivery", delivery["id"], delivery)
