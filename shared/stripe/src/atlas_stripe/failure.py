"""A failed call to Stripe, and the one function that decides what answer the caller gets."""

from __future__ import annotations

from atlas_kit.http.errors import Unavailable
from atlas_kit.process.logs import get_logger

log = get_logger()

TOO_MANY_REQUESTS = 429
UNDECIDED_STATUSES = frozenset({401, 403, 409, TOO_MANY_REQUESTS})
"""HTTP statuses with which Stripe refuses before doing anything: the same idempotency key may be used again."""
SERVER_ERROR = 500
DEFAULT_RETRY_AFTER = "5"
"""Seconds, for a 429 of Stripe without a Retry-After header."""


class StripeFailure(Exception):
    """A call to Stripe failed. Without an answer (``status`` None), Stripe may have done what was asked.

    ``status`` is the HTTP status; ``code`` and ``param`` are Stripe's stable words for what was wrong and with which
    parameter; ``retry_after`` is the header, in seconds. Stripe's message is left out, because it may quote what we
    sent.
    """

    def __init__(
        self,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        retry_after: str | None = None,
    ) -> None:
        super().__init__(f"Stripe answered {status or 'nothing'}.")
        self.status, self.code, self.param = status, code, param
        self.request_id, self.retry_after = request_id, retry_after

    @property
    def is_final(self) -> bool:
        """Whether Stripe gives the same answer again for the same idempotency key (for at least 24 hours)."""
        return self.status is not None and self.status not in UNDECIDED_STATUSES

    @property
    def is_missing(self) -> bool:
        """Whether an object that our request named doesn't exist at Stripe (any more)."""
        return self.code == "resource_missing"

    def names_missing(self, param: str) -> bool:
        """Whether the missing object is the one named by the request's parameter ``param``."""
        return self.is_missing and self.param == param


def as_unavailable(failure: StripeFailure, message: str) -> Unavailable:
    """The error for the caller: always 503 with the route's ``message``. The failure is logged here.

    A request that Stripe refused (4xx) is our own mistake and is logged as an error, other failures as warnings.
    """
    told = {"status": failure.status, "code": failure.code, "stripeRequestId": failure.request_id}
    if failure.status == TOO_MANY_REQUESTS:
        log.warning("stripe.rate_limited", **told)
        return Unavailable(message, headers={"retry-after": failure.retry_after or DEFAULT_RETRY_AFTER})
    if failure.status is None or failure.status >= SERVER_ERROR:
        log.warning("stripe.unavailable", **told)
    else:
        log.error("stripe.request_refused", param=failure.param, **told)
    return Unavailable(message)
