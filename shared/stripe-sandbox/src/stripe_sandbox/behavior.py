"""Failures and delays that can be ordered of the API, and the log of requests."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

from stripe_sandbox.errors import StripeError

MAX_REQUESTS = 20_000  # length of the request log; the oldest entries are dropped


@dataclass(slots=True)
class ApiBehavior:
    """``latency_ms`` for every call; the next ``fail_next`` calls answer ``status``, before or after their effect."""

    latency_ms: int = 0
    fail_next: int = 0
    status: int = 500
    after_effect: bool = False

    def take_failure(self) -> StripeError | None:
        """The failure that this call has to answer; None when no failure is ordered."""
        if self.fail_next <= 0:
            return None
        self.fail_next -= 1
        return failure(self.status)

    def shown(self) -> dict[str, Any]:
        """The setting now in force."""
        return asdict(self)


@dataclass(slots=True)
class RequestLog:
    """The API calls received, oldest first."""

    entries: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_REQUESTS))

    def shown(self) -> dict[str, Any]:
        """As the control surface answers it."""
        return {"data": list(self.entries)}


def failure(status: int) -> StripeError:
    """The error that Stripe answers with this status."""
    if status == 429:
        message = (
            "Testmode request rate limit exceeded, the rate limits in testmode are lower than livemode. You can "
            "learn more about rate limits here https://stripe.com/docs/rate-limits."
        )
        return StripeError(message, status=429, code="rate_limit")
    if status == 401:
        return StripeError("Invalid API Key provided: sk_test_****", status=401)
    if status >= 500:
        return StripeError(
            "An unknown error occurred. (The sandbox was told to fail.)", status=status, type="api_error"
        )
    return StripeError("The sandbox was told to refuse this request.", status=status)
