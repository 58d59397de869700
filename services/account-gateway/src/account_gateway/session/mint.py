"""Makes next-auth v4 session tokens, for the development sign-in alone."""

from __future__ import annotations

import json
import time
import uuid

from joserfc import jwe

from account_gateway.session.tokens import V4_ENCRYPTION, v4_key

SESSION_SECONDS = 30 * 86_400
"""next-auth's default."""


def mint_token(user_id: str, secret: str, *, seconds: int = SESSION_SECONDS) -> str:
    """A token as next-auth v4 makes it; whoever holds it is ``user_id`` for ``seconds``."""
    now = int(time.time())
    claims = {"name": user_id, "sub": user_id, "iat": now, "exp": now + seconds, "jti": str(uuid.uuid4())}
    return jwe.encrypt_compact(
        {"alg": "dir", "enc": V4_ENCRYPTION},
        json.dumps(claims),
        v4_key(secret),
        algorithms=["dir", V4_ENCRYPTION],
    )
