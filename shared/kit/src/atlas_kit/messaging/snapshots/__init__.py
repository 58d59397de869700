"""Saves the broker's streams to files and makes them again elsewhere: ``python -m atlas_kit.messaging.snapshots``.

By JetStream's snapshots: a stream comes back with its messages, their numbers and times, and its consumers with what
each has acknowledged. Seen with nats-server 2.15: right after a restore the broker doesn't know the ids that it had
dropped as repeated. A message that comes again is stored once more then, and the ledger recognizes it. nats-py has no
call for snapshots; what is asked here is what the ``nats`` command line asks
(https://docs.nats.io/reference/reference-protocols/nats_api_reference).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats.errors
from nats.aio.client import Client

from atlas_contracts.streams import BILLING, ENTITLEMENTS, INGEST_BUCKET, PARKED, STATE
from atlas_kit.messaging.retention import ANSWER_SECONDS, NOT_FOUND, OUR_API, KeepingFailed, keeper_of, said

SAVED = (BILLING.name, ENTITLEMENTS.name, PARKED.name, STATE.name, f"KV_{INGEST_BUCKET}")
"""The streams of our own account. The readers' mirrors aren't saved: they are made again from these."""
CHUNK_BYTES = 128 * 1024
CHUNK_SECONDS = 30.0
"""The longest pause between two pieces of a snapshot: the broker reads, compresses and checks in between."""


async def save(url: str, folder: Path) -> list[str]:
    """Write every stream that exists into ``folder``: ``NAME.json``, ``NAME.snapshot``. Gives their names.

    Raises KeepingFailed; then what was written is not complete.
    """
    async with keeper_of(url) as client:
        return [name for name in SAVED if await _save_one(client, name, folder)]


async def restore(url: str, folder: Path, replicas: int | None = None) -> list[str]:
    """Make the saved streams on a broker that has none of them; ``replicas`` replaces how often each is kept.

    Raises KeepingFailed; before anything is made where a file is damaged or a stream exists already.
    """
    saved = [name for name in SAVED if (folder / f"{name}.json").exists()]
    if not saved:
        raise KeepingFailed(f"There is no saved stream in {folder}.")
    # The broker makes a stream of what it could read of a damaged file, and only then says that something was wrong.
    for name in saved:
        if json.loads((folder / f"{name}.json").read_text()).get("sha256") != _digest(folder, name):
            raise KeepingFailed(f"{name}.snapshot is damaged: nothing was restored.")
    async with keeper_of(url) as client:
        for name in saved:
            if "error" not in await _ask(client, f"{OUR_API}.STREAM.INFO.{name}", None):
                raise KeepingFailed(f"Stream {name} exists on this broker: restore to one without streams.")
        for name in saved:
            await _restore_one(client, name, folder, replicas)
    return saved


async def _save_one(client: Client, name: str, folder: Path) -> bool:
    inbox = client.new_inbox()
    pieces = await client.subscribe(inbox)
    wanted = {"deliver_subject": inbox, "chunk_size": CHUNK_BYTES}
    told = await _ask(client, f"{OUR_API}.STREAM.SNAPSHOT.{name}", wanted)
    if told.get("error", {}).get("code") == NOT_FOUND:
        await pieces.unsubscribe()
        return False
    if "config" not in told:
        raise KeepingFailed(f"The broker refuses a snapshot of {name}: {said(told)}.")
    with (folder / f"{name}.snapshot").open("wb") as file:
        while True:
            try:
                piece = await pieces.next_msg(timeout=CHUNK_SECONDS)
            except (nats.errors.Error, TimeoutError) as error:
                raise KeepingFailed(f"The snapshot of {name} broke off: {type(error).__name__}.") from error
            if not piece.data:
                break
            file.write(piece.data)
            if piece.reply:
                await piece.respond(b"")  # the broker goes on once it knows that we keep up
    await pieces.unsubscribe()
    status = (piece.headers or {}).get("Status", "204")
    if status != "204":
        raise KeepingFailed(f"The snapshot of {name} broke off: {(piece.headers or {}).get('Description', status)}.")
    about = {"config": told["config"], "state": told["state"], "sha256": _digest(folder, name)}
    (folder / f"{name}.json").write_text(json.dumps(about, indent=1))
    return True


def _digest(folder: Path, name: str) -> str:
    with (folder / f"{name}.snapshot").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _restore_one(client: Client, name: str, folder: Path, replicas: int | None) -> None:
    about = json.loads((folder / f"{name}.json").read_text())
    wanted = {"config": about["config"], "state": about["state"]}
    if replicas is not None:
        wanted["config"]["num_replicas"] = replicas
    told = await _ask(client, f"{OUR_API}.STREAM.RESTORE.{name}", wanted)
    if "deliver_subject" not in told:
        raise KeepingFailed(f"The broker refuses to restore {name}: {said(told)}.")
    where, told = told["deliver_subject"], {}
    for piece in _pieces(folder / f"{name}.snapshot"):
        told = await _ask(client, where, piece)
        if "error" in told:
            raise KeepingFailed(f"The broker refuses what was saved of {name}: {said(told)}.")
    if told.get("config", {}).get("name") != name:
        raise KeepingFailed(f"The broker does not say that it has restored {name}.")


def _pieces(path: Path) -> Iterator[bytes]:
    """The file in pieces; an empty one says that this was all."""
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece
    yield b""


async def _ask(client: Client, subject: str, body: dict[str, Any] | bytes | None) -> dict[str, Any]:
    payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    try:
        answer = await client.request(subject, payload, timeout=max(ANSWER_SECONDS, CHUNK_SECONDS))
        told = json.loads(answer.data) if answer.data else {}
    except (nats.errors.Error, OSError, TimeoutError, ValueError) as error:
        raise KeepingFailed(
            f"The broker gives no answer ({type(error).__name__}); may the user of NATS_BACKUP_URL?"
        ) from error
    return told if isinstance(told, dict) else {}
