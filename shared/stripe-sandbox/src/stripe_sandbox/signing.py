"""``Stripe-Signature``: a timestamp and one HMAC per secret."""

from __future__ import annotations

import hashlib
import hmac


def signature_header(payload: bytes, secrets: list[str], timestamp: int) -> str:
    """The header of one delivery attempt. It has several ``v1`` while a secret is being replaced."""
    signed = f"{timestamp}.".encode() + payload
    parts = [f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}" for secret in secrets]
    return ",".join([f"t={timestamp}", *parts])
