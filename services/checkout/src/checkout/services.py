"""What the routes work with, put together once in ``app``."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from atlas_contracts.internal_api import CheckoutSessionResult
from atlas_contracts.public_api import RestoreResult
from atlas_kit.database import Database
from atlas_kit.messaging import Broker
from checkout.confirm import Confirm
from checkout.find_customer import Customers
from checkout.open_portal import Portal
from checkout.profile import Unsought
from checkout.provider_state import ProviderPolicy
from checkout.restore import Restore
from checkout.sale import Checkout
from checkout.single_flight import SingleFlight
from checkout.stripe_gateway import StripeGateway


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
