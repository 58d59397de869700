"""The routes that the support desk asks, with an operator's token: whose an e-mail is, and one user's payments."""

from __future__ import annotations

from fastapi import APIRouter

from atlas_contracts import unavailable
from atlas_contracts.public_api import RestoreResult
from atlas_contracts.support import Buyers, BuyersWanted, ReadPaymentsRequest
from atlas_kit.http.doors import GuardedRoute
from checkout.adapters.stripe_gateway import StripeGateway
from checkout.entrypoints.failures import told_as
from checkout.use_cases.find_buyers import find_buyers
from checkout.use_cases.purchases import Purchases
from checkout.use_cases.restore import restore
from checkout.use_cases.single_flight import SingleFlight

FIND_SECONDS = 20
READ_SECONDS = 25
TRIGGER = "support-desk"


def support_routes(purchases: Purchases, stripe: StripeGateway) -> APIRouter:
    """``/operator/find-buyers`` and ``/operator/read-payments``. What is wanted is in the body, not in an address that
    proxies write down: it may be an e-mail.
    """
    router = APIRouter(prefix="/operator", route_class=GuardedRoute)
    reading = SingleFlight[RestoreResult]()

    @router.post("/find-buyers")
    async def find(wanted: BuyersWanted) -> Buyers:
        async with told_as(unavailable.STRIPE, seconds=FIND_SECONDS):
            return await find_buyers(purchases.database, stripe, wanted)

    @router.post("/read-payments")
    async def read_payments(asked: ReadPaymentsRequest) -> RestoreResult:
        """What the user's own restore does: their payments as Stripe has them now, told as facts, and the result."""

        async def work() -> RestoreResult:
            async with told_as(unavailable.RESTORE, seconds=READ_SECONDS):
                return await restore(purchases, asked.user_id, TRIGGER)

        return await reading.run_anew(asked.user_id, work)

    return router
