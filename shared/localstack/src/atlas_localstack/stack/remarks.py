"""What is said of the variables given to `./atlas up` that do nothing there, look misspelt, or have a weak value.

Nothing of it stops the start: what a service can't work with it refuses by itself. Values are never shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from atlas_localstack.stack.configuration import MACHINE_PREFIXES, OWN, SHARED, STACK_OWNED

BY_PREFIX = frozenset(
    {
        "BILLING_CURRENCY",
        "BILLING_GRANT_FREE_CHECKOUTS",
        "BILLING_PULL_INTERVAL_SECONDS",
        "BILLING_REQUIRE_KNOWN_SESSION",
        "BILLING_SUSPEND_ON_DISPUTE",
        "BILLING_WEBHOOK_TOLERANCE_SECONDS",
        "RATE_LIMIT_CHECKOUT",
        "RATE_LIMIT_CONFIRM",
        "RATE_LIMIT_PORTAL",
        "RATE_LIMIT_RESTORE",
    }
)
"""Variables that reach the services because of how their names begin."""
ADDED_TO = frozenset({"INTERNAL_READERS", "INTERNAL_TRUSTED_KEYS"})
"""`up` adds what is given to its own."""
HANDED_ON = frozenset({*SHARED, *(name for names in OWN.values() for name in names), *BY_PREFIX, *ADDED_TO})
SET_HERE = STACK_OWNED | {"DATABASE_MIGRATION_URL", "NATS_INBOX_PREFIX", "INTERNAL_SIGNING_KEY", "PORT"}
"""What `up` decides itself. HOST is too, but shells set it for purposes of their own, so it is not spoken of."""
LEFT_OUT = frozenset({"NATS_STREAM_REPLICAS", "HTTP_MAX_CONNECTIONS"})
"""What the services read in production, and `up` doesn't hand to them."""
OF_COMMANDS = frozenset(
    {
        "ATLAS_HOME",
        "ATLAS_KEYS",
        "ATLAS_LONG",
        "ATLAS_REQUIRE",
        "ATLAS_TEST_SERVERS",
        "ATLAS_WRITE",
        "ACCOUNT_GATEWAY_URL",
        "CHECKOUT_DATABASE_URL",
        "ENTITLEMENTS_DATABASE_URL",
        "NATS_ADMIN_URL",
        "NATS_MONITOR_URL",
        "STRIPE_WEBHOOK_ENDPOINT_ID",
        "WEBHOOK_PUBLIC_URL",
    }
)
"""Read by other commands, or by the tests."""
KNOWN = HANDED_ON | SET_HERE | LEFT_OUT | OF_COMMANDS
OURS = ("BILLING_", "RATE_LIMIT_", "NEXTAUTH_", "STRIPE_", "INTERNAL_", "NATS_", "BACKFILL_", "ATLAS_")
ALIKE = 0.88
"""difflib's ratio from which on a name is taken for a misspelt one of ours: one or two letters in a long name."""
SHORTEST_SECRET = 32


def remarks(given: Mapping[str, str]) -> list[str]:
    """One sentence per variable, in order of their names."""
    return [said for name in sorted(given) for said in _of(name, given[name])]


def _of(name: str, value: str) -> Iterator[str]:
    if name in SET_HERE:
        yield f"ignored: {name}; ./atlas up sets it itself."
    elif name in LEFT_OUT:
        yield f"ignored: {name}; the local stack runs with its default."
    elif name not in KNOWN and not name.startswith(MACHINE_PREFIXES):
        yield from _unknown(name)
    if name == "NEXTAUTH_SECRET":
        yield from _weak(value)
    if name == "NATS_STREAM_REPLICAS" and value == "2":
        yield "NATS_STREAM_REPLICAS=2 loses the stream when either node is away; take 1, or 3 on a cluster."


def _unknown(name: str) -> Iterator[str]:
    alike = get_close_matches(name.upper(), KNOWN, 1, ALIKE)
    if alike:
        yield f"ignored: {name}; did you mean {alike[0]}?"
    elif name.startswith(OURS):
        yield f"ignored: {name}; nothing reads it."


def _weak(value: str) -> Iterator[str]:
    shortest = min((len(part.strip()) for part in value.split(",") if part.strip()), default=0)
    if 0 < shortest < SHORTEST_SECRET:
        letters = "1 character" if shortest == 1 else f"{shortest} characters"
        yield (
            f"NEXTAUTH_SECRET has a value of {letters}, which can be guessed; take {SHORTEST_SECRET} or more: "
            "openssl rand -base64 32"
        )
