"""What the routes work with, put together once in ``app``."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from atlas_contracts.internal_api import CheckoutSessionResult
from atlas_contracts.public_api import RestoreResult
from atlas_kit.messaging.broker import Broker
from atlas_kit.storage.database import Database
from checkout.adapters.stripe_gateway import StripeGateway
from checkout.use_cases.billing_profile import Unsought
from checkout.use_cases.confirm import Confirm
from checkout.use_cases.find_customer import Customers
from checkout.use_cases.list_provider_state import ProviderPolicy
from checkout.use_cases.open_portal import Portal
from checkout.use_cases.restore import Restore
from checkout.use_cases.sale import Checkout
from checkout.use_cases.single_flight import SingleFlight


@dataclass(frozen=True, slots=True)
class Services:
    """Adapters, and the use cases' dependencies made of them."""

    database: Database
    broker: Broker
    stripe: StripeGateway
    policy: ProviderPolicy
    checkout: Checkout
    customers: Customers
    portal: Portal
    restore: Restore
    confirm: Confirm
    opening: SingleFlight[CheckoutSessionResult] = field(default_factory=SingleFlight)
    restoring: SingleFlight[RestoreResult] = field(default_factory=SingleFlight)
    nobody: Unsought = field(default_factory=Unsought)


def services_of(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services
