"""Access to Stripe's API: how the SDK is set up, how an answer is read, and into what the SDK's errors are turned.

The services use a :class:`StripeConnection`; the operator's doctor, which works with threads, uses
:func:`blocking_client`. No global state of the SDK (``stripe.api_key``) is used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import aiohttp
import stripe
from pydantic import SecretStr

from atlas_stripe.failure import StripeFailure
from atlas_stripe.objects import Read
from atlas_stripe.traced_http import TracedHttp

REQUEST_SECONDS = 10
"""Time limit of one request, including connecting and reading the body; each retry has the same limit again."""
CONNECT_SECONDS = 3
"""Time limit of the TCP connection."""

AnswerT = TypeVar("AnswerT")


class StripeConnection:
    """The SDK's asynchronous client with its HTTP connections, which are made on first use and closed by ``close``.

    Args:
        key: a secret or restricted key.
        base: the sandbox's address; None for ``https://api.stripe.com``.
        retries: how often the SDK repeats a request by itself (no answer, 409, 5xx), under one idempotency key.

    """

    def __init__(self, key: SecretStr, base: str | None, *, retries: int) -> None:
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        self._http = TracedHttp(timeout=timeout)
        self.client = _client(key.get_secret_value(), base, retries, self._http)

    async def close(self) -> None:
        """End every connection to Stripe."""
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK has no types here


def blocking_client(key: str, base: str | None, *, retries: int, seconds: float) -> stripe.StripeClient:
    """The SDK's blocking client, for threads; ``seconds`` limits one request. Its calls raise the SDK's own errors."""
    return _client(key, base, retries, stripe.RequestsClient(timeout=seconds))


def _client(key: str, base: str | None, retries: int, http: stripe.HTTPClient) -> stripe.StripeClient:
    return stripe.StripeClient(
        key, base_addresses={"api": base} if base else {}, max_network_retries=retries, http_client=http
    )


async def answer_to(call: Awaitable[AnswerT]) -> AnswerT:
    """The answer to a call of the SDK's client. Raises StripeFailure for an error of Stripe or of the network."""
    try:
        return await call
    except stripe.StripeError as error:
        raise StripeFailure(
            status=error.http_status,
            code=error.code,
            param=getattr(error, "param", None),
            request_id=error.request_id,
            retry_after=_header(error.headers, "retry-after"),
        ) from None  # the SDK's exception contains the whole body, which must not be logged
    except (aiohttp.ClientError, TimeoutError, OSError) as error:  # while the SDK was reading the body
        raise StripeFailure from error


def read_of(answer: Any) -> Read:
    """The object in an answer of the SDK, as plain JSON, and when it was read."""
    return Read(answer.last_response.data, _observed_at(answer))


def rows_of(page: Any) -> list[Read]:
    """The objects on one page of a list or search; all of them were read at the same moment."""
    observed_at = _observed_at(page)
    return [Read(row, observed_at) for row in page.last_response.data["data"]]


def stripes_time(headers: Mapping[str, str] | None) -> datetime | None:
    """When Stripe answered, by Stripe's clock, which also dates its events: the ``Date`` header, in whole seconds.

    None if the header is missing or unreadable.
    """
    told = _header(headers, "date")
    try:
        return parsedate_to_datetime(told).astimezone(UTC) if told else None
    except ValueError:
        return None


def _observed_at(answer: Any) -> datetime:
    """When the answer was made. Stripe's clock is preferred to ours: if ours were ahead, an old state would look newer
    than the event that changed it.
    """
    return stripes_time(answer.last_response.headers) or datetime.now(UTC)


def _header(headers: Mapping[str, str] | None, name: str) -> str | None:
    return next((str(value) for key, value in (headers or {}).items() if key.lower() == name), None)
