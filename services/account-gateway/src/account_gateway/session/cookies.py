"""Finds session cookies in Cookie headers: whole or in chunks, within bounds, by the names that this origin allows."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from starlette.datastructures import Headers

MAX_COOKIE_HEADER = 64 * 1024
MAX_TOKEN_LENGTH = 32 * 1024
MAX_CHUNKS = 8
"""next-auth and Auth.js cut at 3,933 bytes: eight chunks are 31 kB, more than browsers and servers carry."""
NEXT_AUTH_V4, AUTH_JS_V5 = "next-auth.session-token", "authjs.session-token"


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """A candidate: which cookie it came in and what it holds."""

    name: str
    value: str


def cookie_names(*, secure: bool) -> tuple[str, str]:
    """The names for v4 and v5. On https the ``__Secure-`` forms only: a plain one could have been set over http."""
    prefix = "__Secure-" if secure else ""
    return prefix + NEXT_AUTH_V4, prefix + AUTH_JS_V5


def session_cookies(headers: Headers, names: tuple[str, ...]) -> list[SessionCookie]:
    """The session cookies in ``headers``, in the order of ``names``; whatever is too long counts as absent."""
    raw = "; ".join(headers.getlist("cookie"))
    if not raw or len(raw) > MAX_COOKIE_HEADER:
        return []
    jar = _jar(raw, names)
    found = []
    for name in names:
        value = jar.get(name) or _joined(jar, name)
        if value and len(value) <= MAX_TOKEN_LENGTH:
            found.append(SessionCookie(name, value))
    return found


def _jar(raw: str, names: tuple[str, ...]) -> dict[str, str]:
    """The cookies whose names begin with one of ``names``. Of two with one name the first counts, as in the web app."""
    jar: dict[str, str] = {}
    for pair in raw.split(";"):
        name, separator, value = pair.partition("=")
        name = name.strip()
        if separator and name.startswith(names):
            jar.setdefault(name, unquote(value.strip().strip('"')))
    return jar


def _joined(jar: dict[str, str], name: str) -> str | None:
    """``name.0``, ``name.1`` … put together; None unless they are complete and few."""
    numbers = [key[len(name) + 1 :] for key in jar if key.startswith(f"{name}.")]
    if not 0 < len(numbers) <= MAX_CHUNKS or set(numbers) != {str(i) for i in range(len(numbers))}:
        return None
    return "".join(jar[f"{name}.{i}"] for i in range(len(numbers)))
