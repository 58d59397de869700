"""Who may ask what: the token's issuer opens a door, its subject is the user."""

from __future__ import annotations

import re

from starlette.requests import Request

from atlas_kit.errors import Forbidden, Unauthorized
from atlas_kit.identity import TokenVerifier

MAX_USER_ID = 255
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def require(request: Request, verifier: TokenVerifier, *issuers: str) -> str:
    """The subject of a token that one of ``issuers`` made for us. Raises Unauthorized, or Forbidden for another's."""
    caller = verifier.verify(request.headers.get("authorization"))
    if caller.issuer not in issuers:
        raise Forbidden
    if len(caller.subject) > MAX_USER_ID or _UNPRINTABLE.search(caller.subject):
        raise Unauthorized  # nothing that Postgres or Stripe could hold
    return caller.subject
