"""After the storm: what was attempted, what was acknowledged and what is there now, compared as sets."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import nats

from atlas_contracts.streams import BILLING, PROJECTOR_DURABLE
from atlas_kit.process.servers import servers_of
from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES
from support.entitlements import announced, query, stored
from support.faults.workload import Workload
from support.stack import Stack
from support.teller import Teller

ADMIN_INBOX = "_INBOX_admin"
READY_SECONDS = 90.0
MADE_BY_A_PAYMENT_LINK = "made_by_a_payment_link"
SETTLED_SECONDS = 150.0
"""The projector's longest pause before another try is a minute."""


@dataclass
class Findings:
    """All of these have to be empty."""

    lost: set[str] = field(default_factory=set)
    duplicated: list[str] = field(default_factory=list)
    invented: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lost or self.duplicated or self.invented or self.wrong)

    def __str__(self) -> str:
        parts = [f"lost {sorted(self.lost)}", f"duplicated {self.duplicated}", f"invented {sorted(self.invented)}"]
        return "\n".join((*parts, f"wrong {len(self.wrong)}:", *self.wrong[:5]))


async def healed(stack: Stack, teller: Teller) -> None:
    """Every service says that it is ready, and every webhook under way has arrived."""

    async def ready() -> bool:
        return all([await _ready(teller.http, service["url"]) for service in stack.json["services"].values()])

    async def delivered() -> bool:
        counts = (await teller.sandbox("POST", "/delivery/flush"))["counts"]
        return bool(counts["pending"] + counts["held"] == 0)

    await _until(ready, READY_SECONDS, "all services ready")
    await teller.sandbox("PUT", "/delivery", {"mode": "normal"})
    await _until(delivered, READY_SECONDS, "all webhooks delivered")
    await folded(stack)


async def folded(stack: Stack) -> None:
    """The projector has acknowledged everything on BILLING, and no outbox holds anything back."""
    databases = stack.json["postgres"]["databases"]

    async def idle() -> bool:
        outboxes = [query(dsn, "SELECT count(*) FROM outbox")[0][0] for dsn in databases.values()]
        return sum(outboxes) + await _unacknowledged(stack.json["nats"]["url"]) == 0

    await _until(idle, SETTLED_SECONDS, "everything folded and announced")


async def acknowledged_events(teller: Teller) -> set[str]:
    """The Stripe events that our webhook answered 200 to."""
    return {event["id"] for event in await _events(teller, delivery_success="true")}


async def attempted_events(teller: Teller) -> set[str]:
    """Every Stripe event that is our business."""
    return {event["id"] for event in await _events(teller)}


def ledger_ids(stack: Stack) -> list[str]:
    """The providers' ids of all facts, in the ledger's order."""
    dsn = stack.json["postgres"]["databases"]["entitlements"]
    return [row[0] for row in query(dsn, "SELECT provider_event_id FROM ledger ORDER BY seq")]


def ledger_digest(stack: Stack, until: int | None = None) -> tuple[int, str]:
    """How far the ledger goes, and a digest of every row until there."""
    dsn = stack.json["postgres"]["databases"]["entitlements"]
    ((last, digest),) = query(
        dsn,
        "SELECT max(seq), md5(string_agg(ledger::text, '|' ORDER BY seq)) FROM ledger WHERE seq <= coalesce(%s, seq)",
        until,
    )
    return last, digest


def compare(attempted: set[str], acknowledged: set[str], final: Sequence[str]) -> Findings:
    """Facts of Stripe as sets."""
    counts = Counter(final)
    return Findings(
        lost=(attempted | acknowledged) - set(final),
        duplicated=[fact for fact, count in counts.items() if count > 1],
        invented={fact for fact in counts if fact.startswith("evt_")} - attempted,
    )


async def entitled_as_they_should_be(work: Workload, seconds: float = 30.0) -> list[str]:
    """Whom the gateway says something else of than what is true, given a little time."""
    deadline = time.monotonic() + seconds
    waiting = list(work.stories)
    while True:
        said = {story.user: await story.entitlement() for story in waiting}
        waiting = [story for story in waiting if not _right(said[story.user], story.truth)]
        if not waiting or time.monotonic() > deadline:
            return [f"the gateway says {said[s.user]}, the truth is {s.truth}\n{s.told()}" for s in waiting]
        await asyncio.sleep(0.3)


def paid_sessions_wrongly_known(stack: Stack, work: Workload) -> list[str]:
    """Paid sessions of ours that are not exactly one payment of their buyer."""
    dsn = stack.json["postgres"]["databases"]["entitlements"]
    rows = query(dsn, "SELECT r.ref, p.user_id FROM payment_refs r JOIN payments p ON p.id = r.payment_id")
    owners: dict[str, list[str]] = {}
    for ref, user in rows:
        owners.setdefault(ref.rpartition(":")[2], []).append(user)
    return [
        f"{bought.session}: {owners.get(bought.session)}, not [{story.user}]"
        for story in work.stories
        for bought in story.purchases
        if bought.paid and owners.get(bought.session) != [story.user]
    ]


def announced_wrongly(stack: Stack) -> list[str]:
    """Changes of entitlements not announced exactly once, or grants announced to whom nothing was taken."""
    versions = query(stack.json["postgres"]["databases"]["entitlements"], "SELECT user_id, version FROM entitlements")
    expected = {f"{user}:{version}" for user, last in versions for version in range(1, last + 1)}
    events = announced(stack.json["nats"]["url"], ADMIN_INBOX)
    counts = Counter(change for change, _ in events)
    wrong = [f"announced {counts[change]} times: {change}" for change in expected | set(counts) if counts[change] != 1]
    wrong += [f"never happened: {change}" for change in set(counts) - expected]
    was_pro: dict[str, bool] = {}
    for _, event in sorted(events, key=lambda said: said[1]["data"]["version"]):
        data, user = event["data"], event["data"]["userId"]
        if event["type"].endswith("entitlement_granted") and was_pro.get(user):
            wrong.append(f"granted twice in a row: {user} version {data['version']}")
        was_pro[user] = data["isPro"]
    return wrong


def stored_twice(stack: Stack) -> list[str]:
    """Message ids that BILLING holds more than once: the broker's dedupe outlives its own death."""
    counts = Counter(message_id for message_id, _ in stored(stack.json["nats"]["url"], BILLING.name, ADMIN_INBOX))
    return [f"{message_id} × {count}" for message_id, count in counts.items() if count > 1]


def audit_findings(audit: dict[str, Any]) -> list[str]:
    """What audit found that is wrong. Money that came by a payment link is no fault: it is listed for review
    (CONTRACT 11) and never grants, so a buyer is wrong only where another payment of theirs is listed.
    """
    unpaid = [
        row
        for row in audit["paidNotPro"]
        if any(payment["reason"] != MADE_BY_A_PAYMENT_LINK for payment in row["payments"]) or not row["payments"]
    ]
    return [f"audit {name}: {rows}" for name, rows in (("paidNotPro", unpaid), ("proNotPaid", audit["proNotPaid"])) if rows]


def operators_findings(stack: Stack) -> list[str]:
    """What rebuild, audit and the list of parked events have to say."""
    wrong = []
    rebuilt = stack.atlas("rebuild", "--verify")
    if rebuilt.returncode != 0:
        wrong.append(f"rebuild --verify: {rebuilt.stdout}{rebuilt.stderr}")
    wrong += audit_findings(json.loads(stack.atlas("audit", "--json").stdout))
    parked = json.loads(stack.atlas("parked", "list", "--json").stdout)
    return wrong + [f"parked: {item}" for item in parked]


async def _ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/readyz", timeout=aiohttp.ClientTimeout(total=5)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


async def _unacknowledged(url: str) -> int:
    connection = await nats.connect(servers_of(url), inbox_prefix=ADMIN_INBOX.encode(), max_reconnect_attempts=3)
    try:
        info = await connection.jetstream().consumer_info(BILLING.name, PROJECTOR_DURABLE)
        return (info.num_ack_pending or 0) + (info.num_pending or 0)
    finally:
        await connection.close()


async def _events(teller: Teller, **filters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    wanted = "&".join(f"{name}={value}" for name, value in filters.items())
    wanted += "".join(f"&types[]={name}" for name in SUPPORTED_EVENT_TYPES)
    after = ""
    while True:
        page = await teller.stripe("GET", f"/v1/events?limit=100{after}&{wanted.lstrip('&')}")
        found += page["data"]
        if not page["has_more"]:
            return found
        after = f"&starting_after={page['data'][-1]['id']}"


async def _until(condition: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s: {what}"
        await asyncio.sleep(0.3)


def _right(entitlement: dict[str, Any], truth: str) -> bool:
    source = None if truth == "none" else "stripe"
    said = (entitlement["status"], entitlement["isPro"], entitlement["source"])
    return said == (truth, truth == "active", source)
