"""Streams and consumers against their declared shape."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Sequence
from typing import Any

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext

from atlas_contracts.streams import BILLING, MIRRORED, PROJECTOR_DURABLE, StreamSpec
from atlas_kit.messaging.declaring import stream_config
from atlas_kit.messaging.retention import KeepingFailed, connect_once, in_days
from atlas_kit.messaging.retention.mirrors import what_is_wrong
from atlas_operator.doctor import copies
from atlas_operator.doctor.finding import Report

CONNECT_SECONDS = 5
BACKLOG = 1_000
FIELDS = (
    *("subjects", "retention", "storage", "num_replicas", "duplicate_window", "max_msgs_per_subject"),
    *("deny_delete", "deny_purge", "allow_direct"),
)
MEND = "`./atlas doctor --fix` gives it that, with NATS_ADMIN_URL where the system is not the local stack."
MEND_MIRROR = "`./atlas doctor --fix` makes it anew, with NATS_READERS_ADMIN_URL too where the system isn't local."
NO_READERS = "Give it one as in deploy/nats.conf if other services read events (docs/consuming-entitlements.md)."
REMAKE = "./atlas republish makes the bucket anew and fills it."
RESTART = "Restart a service that uses it: that makes it. ENTITLEMENTS needs ./atlas republish afterwards."
RECREATE = "Streams are never changed by a service: `nats stream edit {name}` brings it to the declared shape."


def look(url: str, monitor_url: str | None, replicas: int, streams: Sequence[StreamSpec]) -> Report:
    """The broker as the services need it; ``streams`` have the retention that is configured."""
    report = Report("broker")
    asyncio.run(_look(report, url, replicas, streams))
    if monitor_url:
        _durability(report, monitor_url)
    else:
        report.warning("whether the broker syncs to its disk was not looked at", "Set NATS_MONITOR_URL to include it.")
    return report


async def _look(report: Report, url: str, replicas: int, streams: Sequence[StreamSpec]) -> None:
    try:
        client = await connect_once(url, CONNECT_SECONDS)
    except (nats.errors.Error, OSError, TimeoutError, ValueError) as error:
        report.error(f"the broker does not answer: {type(error).__name__}", "Start it, or check NATS_URL.")
        return
    try:
        broker = client.jetstream(timeout=CONNECT_SECONDS)
        for stream in streams:
            await _stream(report, broker, stream, replicas)
        await _projector(report, broker)
        await _mirrors(report, client)
    finally:
        await client.close()


async def _stream(report: Report, broker: JetStreamContext, stream: StreamSpec, replicas: int) -> None:
    try:
        info = await broker.stream_info(stream.name)
    except nats.js.errors.NotFoundError:
        report.error(f"stream {stream.name} is missing", REMAKE if stream.is_bucket else RESTART)
        return
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
        report.error(
            f"stream {stream.name}: {type(error).__name__}", "Is the broker up, and may the user of NATS_URL ask?"
        )
        return
    found, wanted = info.config, stream_config(stream, replicas)
    wrong = [name for name in FIELDS if _value(found, name) != _value(wanted, name)]
    report.check(
        not wrong,
        f"stream {stream.name} is as declared",
        f"stream {stream.name} differs from its declaration in {', '.join(wrong)}",
        RECREATE.format(name=stream.name),
    )
    wanted_age, age = in_days(stream.max_age_seconds), in_days(found.max_age or 0)
    report.check(
        age == wanted_age,
        f"stream {stream.name} keeps its messages {age}",
        f"stream {stream.name} keeps its messages {age}; {wanted_age} is configured",
        MEND,
    )
    copies.look(report, info)


def _value(config: Any, name: str) -> Any:
    value = getattr(config, name)
    return sorted(value) if isinstance(value, list) else value


async def _projector(report: Report, broker: JetStreamContext) -> None:
    try:
        info = await broker.consumer_info(BILLING.name, PROJECTOR_DURABLE)
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError):
        report.error(f"the consumer {PROJECTOR_DURABLE} is missing", "Start the entitlements service: it makes it.")
        return
    waiting = (info.num_pending or 0) + (info.num_ack_pending or 0)
    if waiting > BACKLOG:
        report.warning(f"{waiting} events wait to be folded", "Is the entitlements service running? Add a replica.")
    else:
        report.ok(f"{PROJECTOR_DURABLE} keeps up ({waiting} events waiting)")


async def _mirrors(report: Report, client: Client) -> None:
    try:
        wrong = {stream.name: await what_is_wrong(client, stream) for stream in MIRRORED}
    except nats.errors.NoRespondersError:
        report.warning("the broker has no account for readers: other services have nothing to read from", NO_READERS)
        return
    except KeepingFailed as failure:
        report.warning(f"the readers' mirrors were not looked at. {failure}", "May the user of NATS_URL look at them?")
        return
    for name, what in wrong.items():
        if what:
            report.error(f"the readers' mirror of {name} {what}", MEND_MIRROR)
    if not any(wrong.values()):
        report.ok("the readers' mirrors are copies of their streams")


def _durability(report: Report, monitor_url: str) -> None:
    try:
        with urllib.request.urlopen(f"{monitor_url}/varz", timeout=CONNECT_SECONDS) as answer:  # noqa: S310 - our own address
            jetstream = json.load(answer).get("jetstream", {}).get("config", {})
    except (OSError, ValueError) as error:
        report.warning(f"the broker's monitoring does not answer: {error}", "Check NATS_MONITOR_URL.")
        return
    report.check(
        bool(jetstream.get("sync_always")),
        "what the broker acknowledges is on its disk",
        "the broker acknowledges before it syncs to the disk: a power cut loses up to 2 minutes",
        "Set `sync_interval: always` in its configuration, or use R3 streams over three machines.",
    )
