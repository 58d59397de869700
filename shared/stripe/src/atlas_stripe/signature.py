"""Verifies Stripe's webhook signature on the body's bytes, before anything is parsed.

The header is ``t=<seconds>,v1=<hex>[,v1=<hex>…]``; each signature is HMAC-SHA256 over ``<t>.<body>``
(docs.stripe.com/webhooks). In contrast to the SDK's ``WebhookSignature``, this code refuses times too far in the future
too, takes several secrets, limits its work, and raises errors without payload or header. Whatever it accepts, the SDK
accepts too (tests compare them).
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
"""Stripe sends one ``v1`` per valid secret: two while a secret is being replaced."""
_TIMESTAMP = re.compile(rb"[1-9][0-9]{0,11}")


class InvalidSignature(Forbidden):
    """Invalid webhook signature. ``reason`` is a stable word for logs and metrics."""

    default_message = "Invalid webhook signature."

    def __init__(self, reason: str) -> None:
        super().__init__(recovery=Recovery.NONE)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SignatureVerifier:
    """Accepts a body that one of ``secrets`` signed at a time at most ``tolerance_seconds`` before or after now."""

    secrets: Sequence[bytes]
    tolerance_seconds: int

    def verify(self, headers: Sequence[bytes], body: bytes, now: float) -> None:
        """Check ``headers``, all ``Stripe-Signature`` headers of the request; ``now`` in seconds since 1970.

        Raises InvalidSignature unless there is exactly one header, with a valid and recent signature of ``body``.
        """
        if len(headers) != 1 or not headers[0]:
            raise InvalidSignature("missing" if not any(headers) else "duplicated")
        timestamp, signatures = _parse(headers[0])
        message = b"%b.%b" % (timestamp, body)
        matches = False
        for secret in self.secrets:
            expected = hmac.digest(secret, message, "sha256").hex().encode()
            for signature in signatures:  # no early end, so that the time taken reveals nothing
                matches |= hmac.compare_digest(expected, signature)
        if not matches:
            raise InvalidSignature("mismatch")
        if abs(now - int(timestamp)) > self.tolerance_seconds:
            raise InvalidSignature("outside_tolerance")


def _parse(header: bytes) -> tuple[bytes, list[bytes]]:
    """The timestamp as written, and the ``v1`` signatures. Other schemes are ignored, as Stripe asks."""
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
