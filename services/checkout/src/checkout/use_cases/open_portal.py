"""Open the Stripe billing portal for a user who has a customer there."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from atlas_contracts.public_api import RedirectTarget
from atlas_kit.http.errors import NotFound
from atlas_kit.storage.database import Database, fetch_one
from atlas_stripe.failure import StripeFailure
from atlas_stripe.portal_configuration import FIRST_KEY
from checkout.adapters.customers import forget_customer
from checkout.ports import PortalCalls
from checkout.use_cases.find_customer import Customers, find_customer, replace_customer


class NoBillingHistory(NotFound):
    """The user has no customer at Stripe."""

    default_message = "No Stripe billing history was found for this account yet."


@dataclass(frozen=True, slots=True)
class Portal:
    """The dependencies for opening the portal. ``configuration_id``: the configured one, None if there is none."""

    customers: Customers
    stripe: PortalCalls
    origin: str
    configuration_id: str | None = None

    @property
    def database(self) -> Database:
        return self.customers.database


async def open_portal(portal: Portal, user_id: str) -> RedirectTarget:
    """The URL of the user's portal. Raises NoBillingHistory, StripeFailure, Unavailable."""
    customer_id = await find_customer(portal.customers, user_id)
    if customer_id is None:
        raise NoBillingHistory
    try:
        return await _open_configured(portal, customer_id)
    except StripeFailure as failure:
        if not failure.names_missing("customer"):
            raise
    await forget_customer(portal.database, user_id, customer_id)
    another = await replace_customer(portal.customers, user_id)
    if another is None:
        raise NoBillingHistory
    return await _open_configured(portal, another)


async def _open_configured(portal: Portal, customer_id: str) -> RedirectTarget:
    """The portal with the configured configuration, else with ours, which is made again if it is gone."""
    configuration_id = portal.configuration_id or await _own_configuration(portal)
    try:
        return await _open(portal, customer_id, configuration_id)
    except StripeFailure as failure:
        if portal.configuration_id or not failure.names_missing("configuration"):
            raise
    await _forget_configuration(portal.database, configuration_id)
    return await _open(portal, customer_id, await _own_configuration(portal, key=f"atlas-portal-{uuid.uuid4()}"))


async def _open(portal: Portal, customer_id: str, configuration_id: str) -> RedirectTarget:
    url = await portal.stripe.create_portal_session(customer_id, configuration_id, f"{portal.origin}/account")
    return RedirectTarget(url=url)


async def _own_configuration(portal: Portal, key: str = FIRST_KEY) -> str:
    """The configuration that this service made; it is made now if there is none."""
    async with portal.database.transaction() as connection:
        row = await fetch_one(connection, "SELECT configuration_id FROM portal_configurations")
    if row:
        return str(row[0])
    try:
        made = await portal.stripe.create_portal_configuration(key)
    except StripeFailure as failure:
        if not failure.is_final or key != FIRST_KEY:
            raise
        made = await portal.stripe.create_portal_configuration(f"atlas-portal-{uuid.uuid4()}")
    async with portal.database.transaction() as connection:
        row = await fetch_one(
            connection,
            "INSERT INTO portal_configurations (id, configuration_id) VALUES (1, %s)"
            " ON CONFLICT (id) DO UPDATE SET id = 1 RETURNING configuration_id",
            made,
        )
    assert row
    return str(row[0])


async def _forget_configuration(database: Database, configuration_id: str) -> None:
    async with database.transaction() as connection:
        await connection.execute("DELETE FROM portal_configurations WHERE configuration_id = %s", (configuration_id,))
