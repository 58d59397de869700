"""Idempotency keys, as Stripe keeps them.

The first answer of a call that began to execute is repeated for the same key and parameters, also if it was a server
error. The same key with other parameters or another path is refused. While the first call is still running, the answer
is 409. Refusals before execution (wrong API key, unknown parameters, too many requests) are not stored.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from itertools import takewhile

from stripe_sandbox.errors import StripeError, invalid
from stripe_sandbox.store import Json, Store

LIFETIME = 24 * 60 * 60  # seconds an answer is kept
MAX_KEY = 255


@dataclass(slots=True)
class IdempotencyKeys:
    """Stored answers (in the store, so that they survive a restart), and the keys of calls that are running."""

    store: Store
    in_use: set[str] = field(default_factory=set)

    def begin(self, key: str, path: str, params: Json, now: float) -> Json | None:
        """The stored answer for this key. If there is none, claims the key and returns None.

        A claimed key must be given to ``finish`` or ``release``. Raises StripeError if the key belongs to another
        request, or to one that is still running.
        """
        if len(key) > MAX_KEY:
            raise invalid(f"Idempotency keys can be at most {MAX_KEY} characters long.")
        self.forget_old(now)
        known = self.store.get("idempotency", key)
        if known is not None and known["path"] != path:
            raise mismatch(f"for the same endpoint they were first used for ('{known['path']}' vs '{path}')", key)
        if known is not None and known["params"] != digest(params):
            raise mismatch("with the same parameters they were first used with", key)
        if known is not None:
            return known
        if key in self.in_use:
            raise StripeError(
                "There is currently another in-progress request using this Idempotent Key (that probably means you "
                f"submitted twice, and the other request is still going through): {key}. Please try again later.",
                status=409,
                type="idempotency_error",
                code="idempotency_key_in_use",
            )
        self.in_use.add(key)
        return None

    def finish(self, key: str, path: str, params: Json, status: int, body: Json, request_id: str, now: float) -> None:
        """Remember the answer."""
        record = {
            "path": path,
            "params": digest(params),
            "status": status,
            "body": body,
            "request": request_id,
            "at": now,
        }
        self.store.put("idempotency", key, record)
        self.store.commit()
        self.release(key)

    def forget_old(self, now: float) -> None:
        """Drop the answers that are a day old."""
        oldest_first = self.store.of("idempotency").items.items()
        for key in [key for key, known in takewhile(lambda item: item[1]["at"] + LIFETIME <= now, oldest_first)]:
            self.store.remove("idempotency", key)

    def release(self, key: str) -> None:
        """Release the key without storing an answer."""
        self.in_use.discard(key)


def mismatch(rule: str, key: str) -> StripeError:
    """The key belongs to another request."""
    return StripeError(
        f"Keys for idempotent requests can only be used {rule}. Try using a key other than '{key}' if you meant to "
        "execute a different request.",
        type="idempotency_error",
    )


def digest(params: Json) -> str:
    """A hash of the parameters."""
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()
