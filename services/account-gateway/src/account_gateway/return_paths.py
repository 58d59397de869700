"""Where a browser may be sent back to: a path on this origin, nothing else."""

from __future__ import annotations

import re
from urllib.parse import quote

DEFAULT_RETURN_PATH = "/account"
_SAFE = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]{0,2046})?")
"""One slash, then printable ASCII without space or backslash, and no second slash right after the first.

Browsers read ``//host`` and ``/\\host`` as another host."""


def safe_return_path(candidate: str | None, default: str = DEFAULT_RETURN_PATH) -> str:
    """``candidate`` if it is an absolute path on this origin, else ``default``."""
    return candidate if candidate and _SAFE.fullmatch(candidate) else default


def sign_in_location(return_path: str, *, nextauth_url: str, dev_sign_in: bool) -> str:
    """Where a signed-out browser signs in, to come back to ``return_path``."""
    base = "/dev/sign-in" if dev_sign_in else f"{nextauth_url}/api/auth/signin"
    return f"{base}?callbackUrl={quote(return_path, safe='')}"
