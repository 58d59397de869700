"""Who may ask what: the token's issuer opens a door, its subject is the user."""

from __future__ import annotations

from starlette.requests import Request

from atlas_kit.errors import Forbidden
from atlas_kit.identity import TokenVerifier


def require(request: Request, verifier: TokenVerifier, *issuers: str) -> str:
    """The subject of a token that one of ``issuers`` made for us. Raises Unauthorized, or Forbidden for another's."""
    caller = verifier.verify(request.headers.get("authorization"))
    if caller.issuer not in issuers:
        raise Forbidden
    return caller.subject
