"""The readers' mirrors: copies of what other services may read, in an account of their own on the broker.

They are made by a user of that account (``NATS_READERS_ADMIN_URL``), with the keeper of ours beside it, at every start
and by ``./atlas doctor --fix`` and ``./atlas republish``. An origin that is missing is made first, as the services make
it: a mirror remembers of which origin it was made. One that was remade begins again at 1, and its old mirror would wait
until it is as long as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nats.aio.client import Client

from atlas_contracts.streams import MIRROR_DELIVERY, MIRRORED, ORIGIN_API, READERS_API, StreamSpec
from atlas_kit.messaging.declaring import stream_config
from atlas_kit.messaging.retention import NOT_FOUND, OUR_API, KeepingFailed, ask, keeper_of, said

ORIGIN_CREATED = "atlas-origin-created"
"""The mirror's metadata: when the stream was made of which it is a mirror."""
State = Literal["kept", "made", "changed", "remade"]
Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror that is as it should be, and what had to be done for that."""

    stream: StreamSpec
    state: State


async def apply_mirrors(url: str, readers_url: str, streams: Sequence[StreamSpec], replicas: int) -> list[Mirror]:
    """Bring the mirrors of those of ``streams`` that readers may read to what they should be.

    ``url`` is the keeper's (``NATS_ADMIN_URL``), ``readers_url`` that of the mirrors' maker in the readers' account
    (``NATS_READERS_ADMIN_URL``). Raises KeepingFailed.
    """
    async with keeper_of(url) as ours, keeper_of(readers_url) as theirs:
        return [await _apply(ours, theirs, stream, replicas) for stream in streams if _is_mirrored(stream)]


async def what_is_wrong(client: Client, stream: StreamSpec) -> str | None:
    """What keeps the mirror of a stream from being its copy, in a few words; None if nothing does.

    Raises KeepingFailed and NoRespondersError.
    """
    mirror = await ask(client, f"{READERS_API}.STREAM.INFO.{stream.name}", stream)
    if _is_missing(mirror):
        return "is missing"
    origin = await _origin(client, stream)
    if _is_missing(origin) or _is_of_another(origin, mirror):
        return "is a copy of a stream that is no more"
    if mirror["config"].get("max_age") != origin["config"].get("max_age"):
        return "keeps its messages for another time"
    return None


def _is_mirrored(stream: StreamSpec) -> bool:
    return stream.name in {each.name for each in MIRRORED}


async def _apply(ours: Client, theirs: Client, stream: StreamSpec, replicas: int) -> Mirror:
    # The mirror first: what it has by then, its origin has had.
    mirror = await ask(theirs, f"{OUR_API}.STREAM.INFO.{stream.name}", stream)
    origin = await _origin(ours, stream)
    if _is_missing(origin):
        await _done(ours, "CREATE", stream, stream_config(stream, replicas).as_dict())
        origin = await _origin(ours, stream)
    wanted = _wanted(stream, origin)
    if _is_missing(mirror):
        state: State = "made"
    elif _is_of_another(origin, mirror):
        await _done(theirs, "DELETE", stream)
        state = "remade"
    elif _differs(mirror["config"], wanted):
        await _done(theirs, "UPDATE", stream, {**mirror["config"], **wanted})
        return Mirror(stream, "changed")
    else:
        return Mirror(stream, "kept")
    await _done(theirs, "CREATE", stream, wanted)
    return Mirror(stream, state)


async def _origin(client: Client, stream: StreamSpec) -> Told:
    return await ask(client, f"{OUR_API}.STREAM.INFO.{stream.name}", stream)


async def _done(client: Client, verb: str, stream: StreamSpec, body: Any = None) -> None:
    told = await ask(client, f"{OUR_API}.STREAM.{verb}.{stream.name}", stream, body)
    if "error" in told:
        raise KeepingFailed(f"The broker refuses the readers' mirror of {stream.name}: {said(told)}.")


def _is_missing(told: Told) -> bool:
    if told.get("error", {}).get("code") == NOT_FOUND:
        return True
    if "config" not in told:
        raise KeepingFailed(f"The broker says nothing of the readers' mirrors: {said(told)}.")
    return False


def _is_of_another(origin: Told, mirror: Told) -> bool:
    made_of = mirror["config"].get("metadata", {}).get(ORIGIN_CREATED)
    is_ahead = int(mirror["state"]["last_seq"]) > int(origin["state"]["last_seq"])
    return made_of != origin["created"] or is_ahead


def _wanted(stream: StreamSpec, origin: Told) -> Told:
    """The configuration of a mirror: it keeps what its origin keeps, for as long."""
    config = origin["config"]
    replicas = config.get("num_replicas", 1)
    return {
        "name": stream.name,
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "num_replicas": replicas,
        "max_age": config.get("max_age", 0),
        "max_msgs_per_subject": config.get("max_msgs_per_subject", -1),
        "deny_delete": True,
        "allow_direct": stream.is_bucket,
        "metadata": {ORIGIN_CREATED: origin["created"]},
        "mirror": {
            "name": stream.name,
            "external": {"api": ORIGIN_API, "deliver": f"{MIRROR_DELIVERY}.{stream.name}"},
        },
        # A copy need not be on the disk before it is read: what a crash takes of it, it asks its origin for again.
        **({"persist_mode": "async"} if replicas == 1 else {}),
    }


def _differs(config: Told, wanted: Told) -> bool:
    return any(config.get(name) != wanted[name] for name in ("max_age", "num_replicas", "max_msgs_per_subject"))
