"""``jwt`` strategy: encrypted cookies, or the same token as ``Authorization: Bearer``."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from starlette.datastructures import Headers

from account_gateway.session.cookies import cookie_names, session_cookies
from account_gateway.session.tokens import TokenSession, encryption_of, read_token, token_kind

CACHED_SESSIONS = 20_000
"""About 5 MB. Decrypting a token costs a hundred times as much as finding it here."""


class EncryptedSessions:
    """Reads sessions from tokens that only the holder of NEXTAUTH_SECRET can make; remembers the valid ones."""

    def __init__(self, secrets: tuple[str, ...], *, secure: bool, clock: Callable[[], float] = time.time) -> None:
        self._names = cookie_names(secure=secure)
        self._kinds = {name: token_kind(name, secrets) for name in self._names}
        self._clock = clock
        self._known: OrderedDict[bytes, TokenSession] = OrderedDict()

    async def user_of(self, headers: Headers) -> str | None:
        for cookie in session_cookies(headers, self._names):
            if user_id := self._user(cookie.name, cookie.value):
                return user_id
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return self._bearer(token.strip()) if scheme.lower() == "bearer" and token else None

    async def check(self) -> None:
        """Always ready: only the keys in the settings are needed."""

    def _bearer(self, token: str) -> str | None:
        """A bearer token doesn't say which cookie it belongs to; its content encryption does."""
        encryption = encryption_of(token)
        name = next((name for name, kind in self._kinds.items() if kind.encryption == encryption), None)
        return self._user(name, token) if name else None

    def _user(self, name: str, token: str) -> str | None:
        fingerprint = sha256(f"{name}={token}".encode("utf-8", "replace")).digest()
        session = self._known.get(fingerprint)
        if session is None:
            session = read_token(token, self._kinds[name], self._clock)
            if session is None:
                return None
            self._remember(fingerprint, session)
        elif session.valid_until <= self._clock():
            del self._known[fingerprint]
            return None
        return session.user_id

    def _remember(self, fingerprint: bytes, session: TokenSession) -> None:
        self._known[fingerprint] = session
        if len(self._known) > CACHED_SESSIONS:
            self._known.popitem(last=False)
