"""Where a browser may be sent back to: only to a path on this origin."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

DEFAULT_RETURN_PATH = "/account"
_SAFE = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]{0,2046})?")
"""One slash, then printable ASCII without space or backslash, and no second slash right after the first.

Browsers read ``//host`` and ``/\\host`` as another host."""


def safe_return_path(candidate: str | None, default: str = DEFAULT_RETURN_PATH) -> str:
    """``candidate`` if it is an absolute path on this origin, else ``default``."""
    return candidate if candidate and _SAFE.fullmatch(candidate) else default


def checked_sign_in(value: str) -> str:
    """``value``, if it can be ATLAS_SIGN_IN_URL, to which a return path is appended. Raises ValueError."""
    return _checked_page(value)


def checked_sign_out(value: str) -> str:
    """``value``, if it can be ATLAS_SIGN_OUT_URL, to which the pages link as it is. Raises ValueError."""
    return _checked_page(value)


def _checked_page(value: str) -> str:
    parts = urlsplit(value)
    path = value if value.startswith("/") else parts.path or "/"
    absolute = parts.scheme == "https" and parts.hostname and not parts.username
    readable = value.isascii() and value.isprintable() and " " not in value and "\\" not in value
    if not readable or "#" in value or not (absolute or value.startswith("/")) or path.startswith("//"):
        raise ValueError("must be a path of the site that begins with one /, or an https:// URL; neither with a #")
    return value


def sign_in_location(return_path: str, *, nextauth_url: str, sign_in_url: str, dev_sign_in: bool) -> str:
    """Where a signed-out browser signs in, to come back to ``return_path``."""
    base = f"{nextauth_url}{sign_in_url}" if sign_in_url.startswith("/") else sign_in_url
    return ("/dev/sign-in?callbackUrl=" if dev_sign_in else base) + quote(return_path, safe="")
