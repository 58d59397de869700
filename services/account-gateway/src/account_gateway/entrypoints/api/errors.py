"""The errors of the public API as they are described: one example per message that a caller can meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from atlas_contracts.public_api import ErrorBody, ErrorCode, ErrorEnvelope, Recovery
from atlas_kit.http.errors import (
    AtlasError,
    Forbidden,
    InvalidRequest,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
)

INVALID_RESTORE = "Invalid restore request."
INVALID_CONFIRM = "Invalid checkout confirmation."
ALREADY_PRO = "Pro is already active."
ALREADY_PAYING = "A payment is already being processed."
IN_REVIEW = "Your payment was received and is being reviewed. Please contact support."
NO_BILLING_HISTORY = "No Stripe billing history was found for this account yet."
SESSION_NOT_FOUND = "Checkout session not found."


@dataclass(frozen=True, slots=True)
class ErrorExample:
    """One error that a route can answer."""

    status: int
    body: ErrorBody


def example(error: AtlasError) -> ErrorExample:
    return ErrorExample(error.http_status, error.envelope().error)


UNAUTHENTICATED = example(Unauthorized())
FORBIDDEN = example(Forbidden())
TOO_MANY = example(RateLimited())
BAD_REQUEST = example(InvalidRequest())
READ_UNAVAILABLE = example(Unavailable())
UNFORESEEN = example(AtlasError())
PRO_ALREADY = example(InvalidRequest(ALREADY_PRO, recovery=Recovery.NONE))
PAYING_ALREADY = example(InvalidRequest(ALREADY_PAYING, recovery=Recovery.NONE))
PAYMENT_IN_REVIEW = example(InvalidRequest(IN_REVIEW, recovery=Recovery.NONE))
NO_HISTORY = example(NotFound(NO_BILLING_HISTORY))
NO_SESSION = example(NotFound(SESSION_NOT_FOUND))
BODY_TOO_LARGE = ErrorExample(
    413, ErrorBody(code=ErrorCode.INVALID_REQUEST, message="Request body is too large.", recovery=Recovery.NONE)
)


def unavailable_example(message: str) -> ErrorExample:
    """The error 503 with one of the texts in :mod:`atlas_contracts.unavailable`."""
    return example(Unavailable(message))


def invalid_example(message: str) -> ErrorExample:
    return example(InvalidRequest(message))


def error_responses(errors: tuple[ErrorExample, ...]) -> dict[int | str, dict[str, Any]]:
    """FastAPI's ``responses``: per status, the envelope and an example of each error."""
    described: dict[int | str, dict[str, Any]] = {}
    for error in (*errors, UNFORESEEN):
        response = described.setdefault(
            error.status,
            {
                "model": ErrorEnvelope,
                "description": error.body.message,
                "content": {"application/json": {"examples": {}}},
            },
        )
        envelope = ErrorEnvelope(error=error.body).model_dump(mode="json")
        examples = response["content"]["application/json"]["examples"]
        examples[f"{error.body.code.value}_{len(examples) + 1}"] = {"summary": error.body.message, "value": envelope}
        if error.status == TOO_MANY.status:
            response["headers"] = _RATE_LIMIT_HEADERS
    return described


_RATE_LIMIT_HEADERS = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "X-RateLimit-Limit": {"description": "Requests per window.", "schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"description": "Requests left in this window.", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {"description": "When the window ends, in epoch seconds.", "schema": {"type": "integer"}},
}
