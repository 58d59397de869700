"""The calls to Stripe that this service makes. Answers are plain JSON and the time, by Stripe's clock.

Nothing is decided here; every failure becomes a :class:`StripeFailure`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from prometheus_client import Counter, Histogram
from pydantic import SecretStr

from atlas_stripe.client import StripeConnection, answer_to, read_of, rows_of
from atlas_stripe.failure import StripeFailure
from atlas_stripe.objects import Read, StripeObject
from atlas_stripe.portal_configuration import PARAMETERS
from checkout.ports import SessionPage

NETWORK_RETRIES = 1
"""By the SDK, unless said otherwise. Somebody waits for the answer, and the route bounds everything in time."""
CONFLICT = 409
CONFLICT_SECONDS = 0.25
"""Pause before asking again under an idempotency key that another process is using right now."""
PAGE_SIZE = 100
"""Stripe's maximum."""
SESSION_EXPANSION = "payment_intent.latest_charge.balance_transaction"
"""In a list each path gets ``data.`` in front, which makes four levels: as deep as Stripe expands."""
REFUNDS_EXPANSION = "payment_intent.latest_charge.refunds"
"""The charge's ten newest refunds, whatever became of them, without a request for each charge."""

STRIPE_CALLS = Counter("atlas_stripe_calls_total", "Calls to Stripe, retries not counted.", ["status"])
for _status in ("200", "401", "403", "429", "500", "502", "503", "504", "none"):
    STRIPE_CALLS.labels(_status)  # from the start at 0, so that the first failure is seen as an increase
STRIPE_SECONDS = Histogram(
    "atlas_stripe_call_seconds", "Time until Stripe answered.", buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
)

AnswerT = TypeVar("AnswerT")
StripeCall = Callable[..., Awaitable[Any]]


class StripeGateway:
    """The calls that this service makes."""

    def __init__(self, key: SecretStr, base: str | None = None, *, retries: int = NETWORK_RETRIES) -> None:
        self._connection = StripeConnection(key, base, retries=retries)
        self._client = self._connection.client

    async def close(self) -> None:
        """End every connection to Stripe."""
        await self._connection.close()

    async def create_customer(self, user_id: str, idempotency_key: str) -> str:
        customer = await _made(
            self._client.v1.customers.create_async, {"metadata": {"userId": user_id}}, idempotency_key
        )
        return str(customer.id)

    async def search_customers(self, user_id: str) -> list[str]:
        """Customers with our metadata, oldest first. Stripe's index lags behind by up to a minute."""
        query = f"metadata['userId']:'{_escaped(user_id)}'"
        found = await _asked(self._client.v1.customers.search_async({"query": query, "limit": PAGE_SIZE}))
        ours = [read.body for read in rows_of(found) if _metadata(read.body).get("userId") == user_id]
        return [str(customer["id"]) for customer in sorted(ours, key=lambda customer: customer["created"])]

    async def create_session(self, parameters: Mapping[str, Any], idempotency_key: str) -> Read:
        return read_of(await _made(self._client.v1.checkout.sessions.create_async, parameters, idempotency_key))

    async def read_session(self, session_id: str) -> Read:
        """The session with its customer, payment, charge and balance transaction."""
        retrieve = self._client.v1.checkout.sessions.retrieve_async
        return read_of(await _asked(retrieve(session_id, {"expand": [SESSION_EXPANSION, "customer"]})))

    async def read_whole_session(self, session_id: str) -> Read:
        """The session with its payment, charge, balance transaction and refunds: what :func:`tell_payments` takes."""
        retrieve = self._client.v1.checkout.sessions.retrieve_async
        return read_of(await _asked(retrieve(session_id, {"expand": [SESSION_EXPANSION, REFUNDS_EXPANSION]})))

    async def session_page(self, after: str | None, **filters: Any) -> SessionPage:
        """At most a hundred whole sessions by the filters, newest first, from the session ``after`` (exclusive) on."""
        expand = [f"data.{SESSION_EXPANSION}", f"data.{REFUNDS_EXPANSION}"]
        parameters = {**filters, "limit": PAGE_SIZE, "expand": expand, **({"starting_after": after} if after else {})}
        listing = self._client.v1.checkout.sessions.list_async
        page = await _asked(listing(parameters))  # type: ignore[arg-type] # the SDK wants a TypedDict; ours is built
        return SessionPage(rows_of(page), page.has_more)

    async def read_price(self, price_id: str) -> Read:
        """The price with its amount in each currency (``currency_options``), which Stripe shows only when expanded."""
        return read_of(await _asked(self._client.v1.prices.retrieve_async(price_id, {"expand": ["currency_options"]})))

    async def read_customer(self, customer_id: str) -> Read:
        """The customer; a deleted one is a stub with ``deleted`` true."""
        return read_of(await _asked(self._client.v1.customers.retrieve_async(customer_id)))

    async def expire_session(self, session_id: str) -> Read:
        return read_of(await _asked(self._client.v1.checkout.sessions.expire_async(session_id)))

    def sessions(self, **filters: Any) -> AsyncIterator[Read]:
        """Sessions by customer, payment_intent, status or created; newest first, each with its payment."""
        return _pages(self._client.v1.checkout.sessions.list_async, filters, (f"data.{SESSION_EXPANSION}",))

    async def read_charge(self, charge_id: str) -> Read:
        return read_of(await _asked(self._client.v1.charges.retrieve_async(charge_id)))

    async def read_object(self, object_id: str) -> Read | None:
        """Any object that belongs to a payment, by its id alone; None for other kinds of ids."""
        v1 = self._client.v1
        readers: dict[str, Any] = {
            "cs": v1.checkout.sessions, "pi": v1.payment_intents, "ch": v1.charges, "py": v1.charges,
            "re": v1.refunds, "pyr": v1.refunds, "dp": v1.disputes, "du": v1.disputes, "cus": v1.customers,
            "in": v1.invoices, "evt": v1.events,
        }  # fmt: skip
        service = readers.get(object_id.partition("_")[0])
        return read_of(await _asked(service.retrieve_async(object_id))) if service else None

    async def customers_with(self, email: str) -> AsyncIterator[Read]:
        """Customers with this e-mail: those of the list, which minds capitals, and of the search, which minds none and
        finds new customers after a moment. One that is in both comes twice.
        """
        async for read in _pages(self._client.v1.customers.list_async, {"email": email}):
            yield read
        query = f"email:'{_escaped(email)}'"
        for read in rows_of(await _asked(self._client.v1.customers.search_async({"query": query, "limit": PAGE_SIZE}))):
            yield read

    async def invoices_numbered(self, number: str) -> AsyncIterator[Read]:
        """Invoices with this number, which :class:`BuyersWanted` has checked. New ones are found after a moment."""
        found = await _asked(self._client.v1.invoices.search_async({"query": f"number:'{number}'", "limit": PAGE_SIZE}))
        for read in rows_of(found):
            yield read

    async def read_warning(self, warning_id: str) -> Read:
        """An early fraud warning, which names its charge and its payment."""
        return read_of(await _asked(self._client.v1.radar.early_fraud_warnings.retrieve_async(warning_id)))

    def refunds(self, charge_id: str) -> AsyncIterator[Read]:
        return _pages(self._client.v1.refunds.list_async, {"charge": charge_id})

    def disputes(self, charge_id: str) -> AsyncIterator[Read]:
        """Disputes of a charge. They are not listed by payment intent, which may be null in a dispute."""
        return _pages(self._client.v1.disputes.list_async, {"charge": charge_id})

    async def create_portal_session(self, customer_id: str, configuration_id: str, return_url: str) -> str:
        """The URL of the customer's portal: a bearer credential."""
        session = await _asked(
            self._client.v1.billing_portal.sessions.create_async(
                {"customer": customer_id, "configuration": configuration_id, "return_url": return_url}
            )
        )
        return session.url

    async def create_portal_configuration(self, idempotency_key: str) -> str:
        """A portal configuration that shows invoices and lets nothing be canceled, because Pro is bought once."""
        configuration = await _made(
            self._client.v1.billing_portal.configurations.create_async, PARAMETERS, idempotency_key
        )
        return str(configuration.id)

    async def erase_user(self, object_id: str) -> bool:
        """Take the user id out of the metadata of a session, payment, charge or customer; False when that is gone."""
        services: dict[str, Any] = {
            "cs": self._client.v1.checkout.sessions,
            "pi": self._client.v1.payment_intents,
            "cus": self._client.v1.customers,
        }
        service = services.get(object_id.split("_", 1)[0], self._client.v1.charges)  # charges may be py_ too
        try:
            await _asked(service.update_async(object_id, {"metadata": {"userId": ""}}))
        except StripeFailure as failure:
            if not failure.is_missing:
                raise
            return False
        return True


async def _made(create: StripeCall, parameters: Mapping[str, Any], idempotency_key: str) -> Any:
    """Create something under an idempotency key.

    While another process of ours asks under the same key, Stripe answers 409; we ask again until it answers both. The
    route's time limit ends this.
    """
    while True:
        try:
            return await _asked(create(dict(parameters), {"idempotency_key": idempotency_key}))
        except StripeFailure as failure:
            if failure.status != CONFLICT:
                raise
        await asyncio.sleep(CONFLICT_SECONDS)


async def _asked(call: Awaitable[AnswerT]) -> AnswerT:
    try:
        with STRIPE_SECONDS.time():
            answer = await answer_to(call)
    except StripeFailure as failure:
        STRIPE_CALLS.labels(str(failure.status or "none")).inc()
        raise
    STRIPE_CALLS.labels("200").inc()
    return answer


async def _pages(ask: StripeCall, filters: Mapping[str, Any], expand: tuple[str, ...] = ()) -> AsyncIterator[Read]:
    parameters = {**filters, "limit": PAGE_SIZE, **({"expand": list(expand)} if expand else {})}
    while True:
        page = await _asked(ask(parameters))
        rows = rows_of(page)
        for row in rows:
            yield row
        if not rows or not page.has_more:
            return
        parameters["starting_after"] = rows[-1].id


def _escaped(text: str) -> str:
    """Text that stands between single quotes in a search."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _metadata(body: StripeObject) -> Mapping[str, Any]:
    return body.get("metadata") or {}
