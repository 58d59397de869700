"""What the bucket of every user's newest state holds, and ways to break it."""

from __future__ import annotations

import json
from typing import Any

import nats.js.errors
from nats.aio.client import Client

from atlas_contracts.streams import STATE, STATE_BUCKET, state_key, state_subject
from support.entitlements import on_broker, query


def entries(url: str, inbox: str = "_INBOX") -> dict[str, dict[str, Any]]:
    """Every entry with a value, by key: as any client of key-value buckets reads them."""

    async def act(client: Client) -> dict[str, dict[str, Any]]:
        try:
            bucket = await client.jetstream().key_value(STATE_BUCKET)
            keys = await bucket.keys()
        except nats.js.errors.NotFoundError:
            return {}
        return {key: json.loads((await bucket.get(key)).value or b"null") for key in keys}

    try:
        return on_broker(url, act, inbox)
    except nats.js.errors.NoKeysError:
        return {}


def entry(url: str, user: str) -> dict[str, Any] | None:
    return entries(url).get(state_key(user))


def projected(dsn: str) -> dict[str, tuple[Any, ...]]:
    """Version, Pro and reason of every user in the projection, by key."""
    rows = query(dsn, "SELECT user_id, version, is_pro, reason FROM entitlements WHERE user_id NOT LIKE 'forgotten:%%'")
    return {state_key(user): tuple(rest) for user, *rest in rows}


def told(url: str) -> dict[str, tuple[Any, ...]]:
    """The same of the bucket."""
    return {key: (value["version"], value["isPro"], value["reason"]) for key, value in entries(url).items()}


def tamper(url: str, user: str, value: dict[str, Any] | bytes) -> None:
    """Write an entry as somebody would who is not the service."""

    async def act(client: Client) -> None:
        payload = value if isinstance(value, bytes) else json.dumps(value).encode()
        await client.jetstream().publish(state_subject(state_key(user)), payload)

    on_broker(url, act)


def delete_bucket(url: str) -> None:
    async def act(client: Client) -> None:
        await client.jetstream().delete_stream(STATE.name)

    on_broker(url, act)
