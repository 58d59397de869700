"""A real broker with our users and their rights, and a connection as each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

import nats
from nats.aio.client import Client

from atlas_contracts.streams import STATE, STREAMS, StreamSpec
from atlas_kit.messaging.retention.mirrors import Mirror, apply_mirrors
from atlas_localstack.stack import permissions

from .embedded import embedded_nats

PASSWORDS = {user: f"password-of-{user}" for user in permissions.GRANTS}


def broker_with_users(store: Path | None = None) -> AbstractContextManager[str]:
    """A fresh broker; gives its URL, without credentials."""
    return embedded_nats(permissions.accounts(PASSWORDS), store=store)


def url_of(broker: str, user: str) -> str:
    """The broker's URL with this user's credentials."""
    return broker.replace("://", f"://{user}:{PASSWORDS[user]}@")


@asynccontextmanager
async def connected(broker: str, user: str, inbox: str | None = None) -> AsyncIterator[Client]:
    """A connection as this user; `inbox`: another prefix for replies than the user's own."""

    async def quiet(_: Exception) -> None: ...

    prefix = (inbox or permissions.inbox(user)).encode()
    client = await nats.connect(url_of(broker, user), inbox_prefix=prefix, error_cb=quiet)
    try:
        yield client
    finally:
        await client.close()


async def make_mirrors(broker: str, *streams: StreamSpec) -> list[Mirror]:
    """The readers' mirrors of these streams, or of all, as every start makes them."""
    return await apply_mirrors(url_of(broker, "keeper"), url_of(broker, "mirrors"), streams or (*STREAMS, STATE), 1)
