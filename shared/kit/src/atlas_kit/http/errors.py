"""Errors whose message may be shown to the client. The class has the HTTP status and the code.

Every other exception is answered with 500 ``Internal server error.``, without any of its details.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from atlas_contracts import unavailable
from atlas_contracts.public_api import DEFAULT_RECOVERY, ErrorBody, ErrorCode, ErrorEnvelope, Recovery


class AtlasError(Exception):
    """Internal server error."""

    status: ClassVar[int] = 500
    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL_ERROR
    default_message: ClassVar[str] = "Internal server error."
    default_recovery: ClassVar[Recovery | None] = None
    """None: the value that the public contract gives for the code (``DEFAULT_RECOVERY``)."""

    def __init__(
        self,
        message: str | None = None,
        *,
        recovery: Recovery | None = None,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        self.message = message or self.default_message
        self.recovery = recovery or self.default_recovery or DEFAULT_RECOVERY[self.code]
        self.headers = dict(headers or {})
        self.http_status = status or self.status
        super().__init__(self.message)

    def envelope(self) -> ErrorEnvelope:
        return ErrorEnvelope(error=ErrorBody(code=self.code, message=self.message, recovery=self.recovery))


class InvalidRequest(AtlasError):
    """The request can't be carried out as it is; the client has to change it."""

    status = 400
    code = ErrorCode.INVALID_REQUEST
    default_message = "Invalid request."


class Unauthorized(AtlasError):
    """Nobody is signed in."""

    status = 401
    code = ErrorCode.UNAUTHORIZED
    default_message = "Not authenticated."


class Forbidden(AtlasError):
    """The caller may not do this."""

    status = 403
    code = ErrorCode.FORBIDDEN
    default_message = "Forbidden."


class NotFound(AtlasError):
    """There is no such thing, or it isn't the caller's."""

    status = 404
    code = ErrorCode.NOT_FOUND
    default_message = "Not found."


class RateLimited(AtlasError):
    """Too many requests of this user."""

    status = 429
    code = ErrorCode.RATE_LIMITED
    default_message = "Too many requests. Please try again later."


class Unavailable(AtlasError):
    """Something we depend on doesn't answer in time. The client should try again later.

    What was asked for may have been done all the same.
    """

    status = 503
    code = ErrorCode.INTERNAL_ERROR
    default_message = unavailable.SERVICE
    default_recovery = Recovery.RETRY_LATER


BY_CODE: dict[ErrorCode, type[AtlasError]] = {
    ErrorCode.INVALID_REQUEST: InvalidRequest,
    ErrorCode.UNAUTHORIZED: Unauthorized,
    ErrorCode.FORBIDDEN: Forbidden,
    ErrorCode.NOT_FOUND: NotFound,
    ErrorCode.RATE_LIMITED: RateLimited,
    ErrorCode.INTERNAL_ERROR: AtlasError,
}
