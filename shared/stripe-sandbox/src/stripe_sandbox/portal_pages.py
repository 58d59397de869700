"""The billing portal's pages, invoices and receipts."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from stripe_sandbox.errors import StripeError
from stripe_sandbox.hosted import form_of
from stripe_sandbox.operation import World
from stripe_sandbox.pages import message_page, page
from stripe_sandbox.resources import customers
from stripe_sandbox.resources.invoices import payments_of
from stripe_sandbox.store import Json

EDITABLE = ("name", "email", "phone")
SHOWN_METHODS = 5


@dataclass(slots=True)
class PortalPages:
    """The pages on which buyers see their own billing."""

    world: World

    def routes(self) -> list[Route]:
        """The routes of the pages."""
        return [
            Route("/p/session/test_{secret}", self.show, methods=["GET"]),
            Route("/p/session/test_{secret}", self.save, methods=["POST"]),
            Route("/invoices/{id}", self.invoice, methods=["GET"]),
            Route("/invoices/{id}/pdf", self.invoice, methods=["GET"]),
            Route("/receipts/{id}", self.receipt, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """Billing details, payment methods, invoices, and the way back."""
        found = self.session_of(request)
        return self.portal(*found, saved="saved" in request.query_params) if found else gone()

    async def save(self, request: Request) -> Response:
        """Save changed billing details, as far as the configuration lets the customer change them."""
        found = self.session_of(request)
        if found is None:
            return gone()
        session, customer, configuration = found
        form = await form_of(request)
        changes = {name: form[name].strip() for name in allowed_fields(configuration) if name in form}
        try:
            with self.world.operation() as op:
                customers.update(op, changes, customer["id"])
        except StripeError as error:
            return self.portal(session, customer, configuration, problem=error.message)
        return RedirectResponse(f"{request.url.path}?saved", 303)

    def session_of(self, request: Request) -> tuple[Json, Json, Json] | None:
        """Session, customer and configuration behind a portal link."""
        store = self.world.store
        link = store.get("portal_secret", request.path_params["secret"])
        session = store.get("billing_portal.session", link["session"]) if link else None
        customer = store.get("customer", session["customer"]) if session else None
        if session is None or customer is None or customer.get("deleted"):
            return None
        configuration = store.get("billing_portal.configuration", session["configuration"])
        return (session, customer, configuration) if configuration else None

    def portal(
        self, session: Json, customer: Json, configuration: Json, *, saved: bool = False, problem: str = ""
    ) -> Response:
        """The page."""
        store = self.world.store
        invoices = [each for each in store.of("invoice").having("customer", customer["id"]) if each["status"] == "paid"]
        methods = paid_with(self.world, customer["id"])[:SHOWN_METHODS]
        return page(
            "portal.html",
            200 if not problem else 422,
            session=session,
            customer=customer,
            invoices=[(invoice, refunded_of(self.world, invoice)) for invoice in invoices],
            history=configuration["features"]["invoice_history"]["enabled"],
            headline=configuration["business_profile"]["headline"],
            methods=methods,
            editable=allowed_fields(configuration),
            saved=saved,
            problem=problem,
        )

    async def invoice(self, request: Request) -> Response:
        """One invoice, to be printed."""
        invoice = self.world.store.get("invoice", request.path_params["id"])
        if invoice is None:
            return message_page(
                "There is no such invoice", "The link is incomplete, or it belongs to another sandbox.", 404
            )
        charge = charge_of(self.world, invoice)
        return page("invoice.html", invoice=invoice, charge=charge, refunded=refunded_of(self.world, invoice))

    async def receipt(self, request: Request) -> Response:
        """What was paid, refunded and disputed on one charge."""
        charge = self.world.store.get("charge", request.path_params["id"])
        if charge is None:
            return message_page(
                "There is no such receipt", "The link is incomplete, or it belongs to another sandbox.", 404
            )
        refunds = self.world.store.of("refund").having("charge", charge["id"])
        return page("receipt.html", charge=charge, refunds=refunds)


def paid_with(world: World, customer: str) -> list[Json]:
    """The customer's payment methods with which a payment succeeded, the last used first; a declined card is none."""
    charges = [each for each in world.store.of("charge").having("customer", customer) if each["status"] == "succeeded"]
    charges.sort(key=lambda charge: -charge["created"])
    methods = dict.fromkeys(charge["payment_method"] for charge in charges)
    found = (world.store.get("payment_method", identifier or "") for identifier in methods)
    return [method for method in found if method]


def allowed_fields(configuration: Json) -> list[str]:
    """What the customer may change."""
    feature = configuration["features"]["customer_update"]
    return [name for name in EDITABLE if feature["enabled"] and name in feature["allowed_updates"]]


def charge_of(world: World, invoice: Json) -> Json | None:
    """The charge that paid an invoice."""
    for payment in payments_of(world.store, invoice["id"]):
        intent = world.store.get("payment_intent", payment["payment"]["payment_intent"])
        return world.store.get("charge", (intent or {}).get("latest_charge") or "")
    return None


def refunded_of(world: World, invoice: Json) -> int:
    """How much of an invoice went back, in minor units."""
    charge = charge_of(world, invoice)
    return int(charge["amount_refunded"]) if charge else 0


def gone() -> Response:
    """The page for a portal link that doesn't work (any more)."""
    return message_page(
        "This portal link doesn't work any more", "Go back to your account and open billing again.", 404
    )
