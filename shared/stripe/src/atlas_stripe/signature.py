"""Stripe's webhook signature, verified on bytes before anything is parsed.

The header is ``t=<seconds>,v1=<hex>[,v1=<hex>…]``, the signature HMAC-SHA256 over ``<t>.<body>``. Beside the SDK's
``WebhookSignature`` this one looks both ways in time, takes a list of secrets, bounds its work, and its errors carry
neither payload nor header. Everything it accepts, the SDK accepts (tests cross-check).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from atlas_contracts.public_api import Recovery
from atlas_kit.http.errors import Forbidden

MAX_HEADER_BYTES = 8 * 1024
MAX_SIGNATURES = 64
"""Stripe sends one ``v1`` per secret in force, two during a roll."""
_TIMESTAMP = re.compile(rb"[1-9][0-9]{0,11}")


class InvalidSignature(Forbidden):
    """Invalid webhook signature. ``reason`` is a stable word for logs and metrics."""

    default_message = "Invalid webhook signature."

    def __init__(self, reason: str) -> None:
        super().__init__(recovery=Recovery.NONE)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SignatureVerifier:
    """Accepts what one of ``secrets`` signed at most ``tolerance_seconds`` ago or ahead."""

    secrets: Sequence[bytes]
    tolerance_seconds: int

    def verify(self, headers: Sequence[bytes], body: bytes, now: float) -> None:
        """Raises InvalidSignature unless exactly one header holds a fresh signature of ``body``; ``now`` in seconds."""
        if len(headers) != 1 or not headers[0]:
            raise InvalidSignature("missing" if not any(headers) else "duplicated")
        timestamp, signatures = _parse(headers[0])
        message = b"%b.%b" % (timestamp, body)
        matches = False
        for secret in self.secrets:
            expected = hmac.digest(secret, message, "sha256").hex().encode()
            for signature in signatures:  # no early end: the time taken tells nothing
                matches |= hmac.compare_digest(expected, signature)
        if not matches:
            raise InvalidSignature("mismatch")
        if abs(now - int(timestamp)) > self.tolerance_seconds:
            raise InvalidSignature("outside_tolerance")


def _parse(header: bytes) -> tuple[bytes, list[bytes]]:
    """The timestamp as written, and the ``v1`` signatures; other schemes are ignored as Stripe asks."""
    if len(header) > MAX_HEADER_BYTES:
        raise InvalidSignature("too_long")
    timestamps: list[bytes] = []
    signatures: list[bytes] = []
    for item in header.split(b","):
        scheme, _, value = item.partition(b"=")
        if scheme == b"t":
            timestamps.append(value)
        elif scheme == b"v1":
            signatures.append(value)
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]):
        raise InvalidSignature("malformed")
    if not 0 < len(signatures) <= MAX_SIGNATURES:
        raise InvalidSignature("malformed")
    return timestamps[0], signatures
