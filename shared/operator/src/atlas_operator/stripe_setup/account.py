"""The calls to Stripe that setting up makes, and what their failures are called.

Answers are plain JSON. An answer may hold a new secret, so none is ever logged or quoted.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import stripe

from atlas_operator.doctor.permissions import EDIT, permission_named
from atlas_operator.errors import CallFailed
from atlas_stripe.client import blocking_client

if os.environ.get("STRIPE_LOG") == "debug":
    stripe.log = "info"  # at "debug" the SDK prints every answer to stderr, the endpoint's new secret included

Json = dict[str, Any]
SECONDS = 15
"""For one request."""
RETRIES = 2
"""By the SDK, under one idempotency key, where Stripe does not answer or answers 409 or 5xx."""
PATIENCE_SECONDS = 60.0
"""How long one call is repeated while Stripe asks for fewer requests, or works on the same idempotency key."""
KEY_IN_USE_PAUSE = 0.5
OTHER_PARAMETERS = "idempotency_error"
"""The code of a refusal because an idempotency key was used for another request before."""
AGAIN = "Run ./atlas stripe setup again: it goes on where it stopped."
SECRETS = re.compile(r"\b(?:whsec|sk|rk)_\S+")

PRODUCTS, PRICES = "Products", "Prices"
ENDPOINTS, PORTAL = "Webhook Endpoints", "Customer Portal"


class StripeRefused(CallFailed):
    """Stripe did not do what it was asked. ``code`` is Stripe's word for why; the message is for a person.

    ``another_key``: the answer belongs to the idempotency key (it was replayed, or is a 5xx that will be), so that the
    same request under another key may succeed.
    """

    def __init__(self, message: str, *, code: str | None = None, another_key: bool = False) -> None:
        super().__init__(message)
        self.code, self.another_key = code, another_key


@dataclass
class StripeAccount:
    """One Stripe account in one mode. ``base``: another address than Stripe's, the sandbox's."""

    key: str = field(repr=False)
    base: str | None
    sleep: Callable[[float], None] = time.sleep
    _client: stripe.StripeClient = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._client = blocking_client(self.key, self.base, retries=RETRIES, seconds=SECONDS)

    def read(self, path: str, right: str, **parameters: Any) -> Json | None:
        """One object by its id; None where Stripe has none of that name."""
        try:
            found = self._ask("get", path, right, parameters)
        except StripeRefused as refused:
            if refused.code != "resource_missing":
                raise
            return None
        return None if found.get("deleted") else found

    def every(self, path: str, right: str, **filters: Any) -> Iterator[Json]:
        """Every object of a list. Stripe's lists show at once what was made; its search does not."""
        filters = {**filters, "limit": 100}
        while True:
            page = self._ask("get", path, right, filters)
            yield from page["data"]
            if not page["data"] or not page["has_more"]:
                return
            filters["starting_after"] = page["data"][-1]["id"]

    def make(self, path: str, right: str, parameters: Mapping[str, Any], key: str) -> Json:
        """A new object, made under an idempotency key; or what that key made before."""
        return self._ask("post", path, right, parameters, key)

    def change(self, path: str, right: str, **parameters: Any) -> Json:
        """An object with other values."""
        return self._ask("post", path, right, parameters)

    def delete(self, path: str, right: str) -> None:
        """Remove an object; one that is gone already is fine."""
        try:
            self._ask("delete", path, right, {})
        except StripeRefused as refused:
            if refused.code != "resource_missing":
                raise

    def _ask(self, method: str, path: str, right: str, parameters: Mapping[str, Any], key: str | None = None) -> Json:
        options = {"idempotency_key": key} if key else {}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer: Json = self._client.raw_request(method, path, **parameters, **options).data
            except stripe.StripeError as error:
                pause = _pause(error)
                if pause is None or time.monotonic() + pause > deadline:
                    raise self._failure(error, method, path, right) from None
                self.sleep(pause)
            else:
                return answer

    def _failure(self, error: stripe.StripeError, method: str, path: str, right: str) -> StripeRefused:
        where = f"at {self.base}" if self.base else "at api.stripe.com"
        status = error.http_status
        if status is None:
            return StripeRefused(f"Stripe does not answer {where} ({type(error).__name__}). {AGAIN}")
        if status == 401:
            return StripeRefused("Stripe refuses the key. Set STRIPE_SECRET_KEY to a valid one; was it rolled?")
        if status == 403:
            label, level = permission_named(error) or right, "Read" if method == "get" else "Write"
            edit = EDIT.format(label=label, level=level)
            return StripeRefused(f"The key lacks the permission {label}: {level}. {edit} {AGAIN}")
        replayed = _header(error, "idempotent-replayed") == "true"
        if status == 429 or status >= 500:
            return StripeRefused(f"Stripe answers {status} {where}. {AGAIN}", another_key=status >= 500)
        code = OTHER_PARAMETERS if isinstance(error, stripe.IdempotencyError) else error.code
        said = SECRETS.sub("…", str(error.user_message or error.code or status).replace(self.key, "…"))
        return StripeRefused(f"Stripe refuses {method.upper()} {path}: {said}", code=code, another_key=replayed)


def _pause(error: stripe.StripeError) -> float | None:
    """Seconds until the same call may be made again; None where repeating it is no use."""
    if error.http_status == 429:
        told = _header(error, "retry-after") or ""
        return float(told) if told.isascii() and told.isdigit() else 1.0
    return KEY_IN_USE_PAUSE if error.code == "idempotency_key_in_use" else None


def _header(error: stripe.StripeError, name: str) -> str | None:
    return next((str(value) for key, value in (error.headers or {}).items() if key.lower() == name), None)
