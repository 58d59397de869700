"""Everything of ours that talks to Stripe does so through atlas_stripe.client; what that makes of answers and errors."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import stripe
from pydantic import SecretStr

from atlas_stripe.client import StripeConnection, answer_to, blocking_client, stripes_time
from atlas_stripe.failure import StripeFailure

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]


def test_the_sdks_client_is_constructed_in_one_module() -> None:
    sources = [path for room in ("services", "shared") for path in (ROOT / room).rglob("*.py") if "/src/" in str(path)]
    clients = ("AIOHTTPClient(", "RequestsClient(", "StripeClient(")
    users = {str(path.relative_to(ROOT)) for path in sources if any(client in path.read_text() for client in clients)}
    assert users == {"shared/stripe/src/atlas_stripe/client.py"}


def test_another_address_and_the_number_of_retries_are_the_callers() -> None:
    client = blocking_client("sk_test_x", "http://127.0.0.1:9", retries=0, seconds=1)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.events.list({"limit": 1})


async def test_no_answer_is_a_failure_without_a_status() -> None:
    connection = StripeConnection(SecretStr("sk_test_x"), "http://127.0.0.1:9", retries=0)
    with pytest.raises(StripeFailure) as failed:
        await answer_to(connection.client.v1.customers.retrieve_async("cus_1"))
    await connection.close()
    assert failed.value.status is None


async def _raising(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("name", ["Retry-After", "retry-after"])
async def test_a_refusal_keeps_what_we_decide_by_and_nothing_of_its_message(name: str) -> None:
    call: Awaitable[None] = _raising(
        stripe.RateLimitError("user_1 asked too often", http_status=429, code="rate_limit", headers={name: "3", "request-id": "req_1"})
    )
    with pytest.raises(StripeFailure) as failed:
        await answer_to(call)
    failure = failed.value
    assert (failure.status, failure.code, failure.retry_after, failure.request_id) == (429, "rate_limit", "3", "req_1")
    assert "user_1" not in str(failure) and failure.__cause__ is None


@pytest.mark.parametrize("error", [aiohttp.ClientPayloadError(), TimeoutError(), ConnectionResetError()])
async def test_a_connection_lost_while_the_body_is_read_is_a_failure_too(error: Exception) -> None:
    with pytest.raises(StripeFailure):
        await answer_to(_raising(error))


def test_stripes_time_is_that_of_its_date_header() -> None:
    at = datetime(2026, 11, 26, 12, 0, 5, tzinfo=UTC)
    for name in ("Date", "date"):
        assert stripes_time({name: "Thu, 26 Nov 2026 12:00:05 GMT"}) == at
    assert stripes_time({"Date": "yesterday"}) is None
    assert stripes_time({}) is None and stripes_time(None) is None
