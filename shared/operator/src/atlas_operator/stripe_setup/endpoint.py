"""The webhook endpoint: found by its URL, with exactly the events that Atlas reads, in the SDK's API version.

Stripe tells an endpoint's secret once, in the answer that makes it, and never changes its API version. So an endpoint
whose secret nobody here knows, or whose version is another one, is replaced: first the new one is made, then its secret
is kept, then it is marked as handed over, and only then the old one is deleted. After a crash the next look sees how
far that came:

| at Stripe | in `.env.stripe` | what follows |
|---|---|---|
| a new one, not marked | nothing of it | its idempotency key is asked again, for Stripe repeats the secret for a day |
| the same, later | nothing of it | another one is made, and this one deleted |
| the same | its id and secret | it is marked |
| a new one, marked, and the old one | its id and secret | the old one is deleted |
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import stripe

from atlas_operator.errors import CallFailed
from atlas_operator.stripe_setup.account import AGAIN, ENDPOINTS, OTHER_PARAMETERS, Json, StripeRefused
from atlas_operator.stripe_setup.asked import Asked, parts, same_url
from atlas_operator.stripe_setup.kept import Kept
from atlas_operator.stripe_setup.step import ENDPOINT, MARK, Maker, SetupStep, keep, seed_of
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES

PATH = "/v1/webhook_endpoints"
SECRET, IDENTIFIER = "STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_ENDPOINT_ID"
MADE_UNDER, HANDED_OVER = "atlasKey", "atlasSecret"
"""Metadata: the idempotency key that made it; a fingerprint of its secret once that is kept."""
MOST_SECRETS = 4
"""In `.env.stripe`; an installation with several endpoints keeps each one's."""


@dataclass(frozen=True)
class Known:
    """The secrets that are known here."""

    of_endpoint: str | None
    """The endpoint whose secret `.env.stripe` has first."""
    kept: tuple[str, ...]
    """In `.env.stripe`."""
    given: tuple[str, ...]
    """Of the services: STRIPE_WEBHOOK_SECRET, `stack.json`."""

    def rank(self, endpoint: Json) -> int:
        """How surely this endpoint's secret is known: 3 as its own, 2 by its fingerprint, 1 by word, 0 not at all."""
        if self.kept and self.of_endpoint == endpoint["id"]:
            return 3
        told = endpoint["metadata"].get(HANDED_OVER)
        if told and told in map(fingerprint, (*self.kept, *self.given)):
            return 2
        pending = is_ours(endpoint) and not told
        by_word = self.given or (self.kept and self.of_endpoint is None)
        return 1 if by_word and not pending else 0


def step(maker: Maker, asked: Asked, kept: Kept) -> SetupStep:
    """What is to be done about the endpoint."""
    listed = list(maker.account.every(PATH, ENDPOINTS))  # before the file is read: a marked one has its secret there
    values = kept.values()
    known = Known(values.get(IDENTIFIER), parts(values.get(SECRET)), asked.secrets)
    # One that belongs to an application of Stripe Connect is no business of ours.
    here = [found for found in listed if same_url(found["url"], asked.url) and not found.get("application")]
    fit = [found for found in here if known.rank(found) and found["api_version"] == stripe.api_version]
    if not fit:
        others = {found["id"] for found in listed} - {found["id"] for found in here}
        making = Making(maker, asked, kept, known, here, keeps_other=known.of_endpoint in others)
        return SetupStep(ENDPOINT, "change" if here else "create", _why(asked, known, here), do=making.run)
    ours = min(fit, key=lambda found: (-known.rank(found), found["status"] != "enabled", found["created"], found["id"]))
    return _kept_step(maker, known, ours, [found for found in here if found is not ours])


def fingerprint(secret: str) -> str:
    """Tells secrets apart and nothing about them: they are long and random."""
    return hashlib.sha256(b"atlas webhook secret " + secret.encode()).hexdigest()[:16]


def is_ours(endpoint: Json) -> bool:
    """Whether setting up has made it."""
    return bool(MARK.items() <= endpoint["metadata"].items())


def _why(asked: Asked, known: Known, here: list[Json]) -> str:
    if not here:
        return f"{asked.url}, {len(SUPPORTED_EVENT_TYPES)} events, version {stripe.api_version}"
    best = max(here, key=known.rank)
    why = "its secret is not known here" if not known.rank(best) else ""
    if best["api_version"] != stripe.api_version:
        version = f"its version is {best['api_version'] or 'the account’s default'}, not {stripe.api_version}"
        why = f"{version}, and {why}" if why else version
    return f"made anew in place of {', '.join(found['id'] for found in here)}: {why}"


def _kept_step(maker: Maker, known: Known, ours: Json, others: list[Json]) -> SetupStep:
    """The endpoint stays; events, state and mark are put right, and others of the same URL go."""
    changes: dict[str, Any] = {}
    what: list[str] = []
    wanted, there = set(SUPPORTED_EVENT_TYPES), set(ours["enabled_events"])
    if wanted != there:
        changes["enabled_events"] = list(SUPPORTED_EVENT_TYPES)
        what += [f"add {name}" for name in sorted(wanted - there)] + [f"drop {name}" for name in sorted(there - wanted)]
    if ours["status"] != "enabled":
        changes["disabled"] = False
        what.append("enable")
    if is_ours(ours) and HANDED_OVER not in ours["metadata"]:
        changes["metadata"] = {HANDED_OVER: fingerprint(known.kept[0])}
        what.append("mark its secret as kept")
    what += [f"delete {other['id']}, which has the same URL" for other in others]
    if not what:
        by_word = known.rank(ours) == 1 and HANDED_OVER in ours["metadata"]
        return keep(ENDPOINT, ours["id"], "its secret was changed since it was made" if by_word else "")

    def do() -> None:
        if changes:
            maker.account.change(f"{PATH}/{ours['id']}", ENDPOINTS, **changes)
        for other in others:
            maker.account.delete(f"{PATH}/{other['id']}", ENDPOINTS)

    return SetupStep(ENDPOINT, "change", ", ".join(what), ours["id"], do)


@dataclass(frozen=True)
class Making:
    """A new endpoint, and its secret in `.env.stripe`."""

    maker: Maker
    asked: Asked
    kept: Kept
    known: Known
    here: list[Json]
    keeps_other: bool
    """Whether `.env.stripe` has the secret of an endpoint of another URL that still exists."""

    def run(self) -> None:
        made = self._told_again() or self._made()
        if made is None:
            return  # another try is due, after another look
        values = {SECRET: ",".join(self._secrets(made["secret"])), IDENTIFIER: made["id"]}
        self.kept.put(values)

    def _told_again(self) -> Json | None:
        """The answer that made an endpoint whose secret was lost on the way to us, while Stripe still repeats it."""
        for found in self.here:
            key = found["metadata"].get(MADE_UNDER)
            pending = is_ours(found) and HANDED_OVER not in found["metadata"]
            if not key or not pending or found["api_version"] != stripe.api_version:
                continue
            try:
                answer = self.maker.account.make(PATH, ENDPOINTS, self._parameters(key), key)
            except StripeRefused as refused:
                if not refused.another_key and refused.code != OTHER_PARAMETERS:
                    raise
                continue  # its answer was a failure, or the list of events was another one then
            if self._is_usable(answer):
                return answer
        return None

    def _made(self) -> Json | None:
        seed = seed_of(ENDPOINT, self.asked.url, SUPPORTED_EVENT_TYPES, stripe.api_version, self._ids())
        key = self.maker.next_key(ENDPOINT, seed)
        answer = self.maker.make(ENDPOINT, PATH, ENDPOINTS, self._parameters(key), key)
        return answer if answer and self._is_usable(answer) else None

    def _ids(self) -> list[str]:
        return sorted(found["id"] for found in self.here)

    def _is_usable(self, answer: Json) -> bool:
        """A repeated answer may be of an endpoint that was deleted since."""
        exists = self.maker.account.read(f"{PATH}/{answer['id']}", ENDPOINTS) is not None
        if exists and not str(answer.get("secret", "")).startswith("whsec_"):
            raise CallFailed(f"Stripe made {answer['id']} and told no secret for it. {AGAIN}")
        return exists

    def _parameters(self, key: str) -> dict[str, Any]:
        return {
            "url": self.asked.url,
            "enabled_events": list(SUPPORTED_EVENT_TYPES),
            "api_version": stripe.api_version,
            "description": "Atlas Billing",
            "metadata": {**MARK, MADE_UNDER: key},
        }

    def _secrets(self, new: str) -> list[str]:
        """The new one first; after it those of endpoints that are still in use or just going."""
        former = any(self.known.rank(found) for found in self.here)
        others = (*self.known.kept, *(self.known.given if former else ())) if former or self.keeps_other else ()
        return list(dict.fromkeys([new, *others]))[:MOST_SECRETS]
