"""One object of the plan: what there is, what is to be done about it, and how."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from atlas_operator.stripe_setup.account import Json, StripeAccount, StripeRefused

Action = Literal["create", "change", "keep"]
PRODUCT, PRICE = "product", "price"
ENDPOINT, CONFIGURATION = "webhook endpoint", "portal configuration"
MARK: Mapping[str, str] = {"atlas": "stripe-setup"}
"""Metadata of what setting up makes."""
DETERMINED_KEYS = 4
"""How many idempotency keys are derived for one object, the same in every run, before one is made up."""


@dataclass(frozen=True)
class SetupStep:
    """``do`` is None where nothing is to be done; ``identifier`` where the object has yet to be made."""

    thing: str
    action: Action
    what: str = ""
    identifier: str | None = None
    do: Callable[[], None] | None = field(default=None, repr=False)


def keep(thing: str, identifier: str, what: str = "") -> SetupStep:
    return SetupStep(thing, "keep", what, identifier)


@dataclass
class Maker:
    """Makes objects at Stripe, each under an idempotency key that follows from what is asked for.

    Two runs at once use the same keys, so Stripe makes one object for both. A key's answer is replayed for a day, even
    when the object is gone or the answer was an error: ``tries`` counts, and each further try has a key of its own.
    """

    account: StripeAccount
    tries: Counter[str] = field(default_factory=Counter)

    def next_key(self, thing: str, seed: str) -> str:
        """The key of the next try to make this thing in this run."""
        number = self.tries[thing]
        self.tries[thing] += 1
        if number >= DETERMINED_KEYS:
            return f"{seed}-{uuid.uuid4()}"
        return f"{seed}-{number}" if number else seed

    def make(self, thing: str, path: str, right: str, parameters: Mapping[str, Any], key: str) -> Json | None:
        """The object; None where the key's answer is a failure for good, so that another try is due."""
        try:
            return self.account.make(path, right, parameters, key)
        except StripeRefused as refused:
            if not refused.another_key or self.tries[thing] > DETERMINED_KEYS:
                raise
            return None


def seed_of(thing: str, *content: Any) -> str:
    """The first idempotency key for what is asked for."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"atlas-setup-{thing.replace(' ', '-')}-{digest[:24]}"
