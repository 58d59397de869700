"""On https a cookie that could have been planted over http isn't even looked up in the database."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from account_gateway.session.stored import SessionsUnavailable, StoredSessions
from atlas_kit.storage.atlas_database import read_atlas_url

pytestmark = pytest.mark.anyio
NOWHERE = read_atlas_url("postgresql://reader@127.0.0.1:9/atlas")


def headers(cookie: str) -> Headers:
    return Headers({"cookie": cookie})


@pytest.mark.parametrize("name", ["next-auth.session-token", "authjs.session-token"])
async def test_a_plain_cookie_is_nobody_on_https(name: str) -> None:
    sessions = StoredSessions(NOWHERE, secure=True)
    assert await sessions.user_of(headers(f"{name}=planted")) is None
    with pytest.raises(SessionsUnavailable):  # this one is looked up, and the database isn't there
        await sessions.user_of(headers(f"__Secure-{name}=real"))


@pytest.mark.parametrize("token", ["a\x01b", "x" * 100_000, "\x7f"])
async def test_what_no_token_can_be_is_not_looked_up(token: str) -> None:
    sessions = StoredSessions(NOWHERE, secure=False)
    assert await sessions.user_of(headers(f"next-auth.session-token={token}")) is None
