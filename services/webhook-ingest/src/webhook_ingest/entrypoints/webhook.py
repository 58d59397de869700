"""The public route ``POST /api/billing/stripe/webhook`` as plain ASGI; its answers are rendered once, at import."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from atlas_contracts.public_api import Recovery, Success, WebhookReceipt
from atlas_kit.http.errors import InvalidRequest
from atlas_kit.http.middleware import LOGGED
from atlas_kit.messaging.broker import BrokerUnavailable
from atlas_stripe.signature import SignatureVerifier
from webhook_ingest.adapters.webhook_shares import WebhookShares
from webhook_ingest.use_cases.admit import Admission, Door
from webhook_ingest.use_cases.receive import receive as receive_webhook

WEBHOOK_PATH = "/api/billing/stripe/webhook"
RETRY_AFTER_SECONDS = 5
"""Value of Retry-After while the broker is away: long enough for its restart. Stripe retries on its own schedule."""


class _Route:
    """The edge middleware reads the route's name, for its log line, from this."""

    path = WEBHOOK_PATH


def _receipt(receipt: WebhookReceipt, *, exclude_none: bool = False) -> bytes:
    return Success[WebhookReceipt](data=receipt).model_dump_json(by_alias=True, exclude_none=exclude_none).encode()


ANSWERS = {
    Admission.ACCEPTED: _receipt(WebhookReceipt(ignored=False, appended=True)),
    Admission.DUPLICATE: _receipt(WebhookReceipt(ignored=False, appended=False, dedupe_reason="provider_event_id")),
    Admission.IGNORED: _receipt(WebhookReceipt(ignored=True), exclude_none=True),
}


class WebhookEndpoint:
    """Answers the webhook path; passes every other request to ``app``."""

    def __init__(self, app: ASGIApp, verifier: SignatureVerifier, door: Door, shares: WebhookShares) -> None:
        self._app, self._verifier, self._door, self._shares = app, verifier, door, shares

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != WEBHOOK_PATH:
            await self._app(scope, receive, send)
            return
        scope["route"] = _Route
        if scope["method"] != "POST":
            raise InvalidRequest("Method not allowed.", recovery=Recovery.NONE, status=405, headers={"allow": "POST"})
        body = await _read_body(receive)
        signatures = [value for name, value in scope["headers"] if name == b"stripe-signature"]
        try:
            outcome = await receive_webhook(body, signatures, self._verifier, self._door, self._shares)
        except BrokerUnavailable as error:
            raise BrokerUnavailable(headers={"retry-after": str(RETRY_AFTER_SECONDS)}) from error
        scope["state"][LOGGED] = True
        answer = ANSWERS[outcome.admission]
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


async def _read_body(receive: Receive) -> bytes:
    """The body's bytes as sent: Stripe signs them, so no Content-Encoding is decoded. The edge bounds size and time."""
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
