"""The hosted checkout page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from stripe_sandbox.delivery import Delivery
from stripe_sandbox.errors import StripeError
from stripe_sandbox.operation import Operation, World
from stripe_sandbox.pages import message_page, page
from stripe_sandbox.resources import buying, choosing
from stripe_sandbox.resources.cards import BY_NUMBER, CARDS, DECLINES, TestCard
from stripe_sandbox.resources.checkout import fresh
from stripe_sandbox.store import Json

REDIRECT_WAIT_SECONDS = 10  # Checkout waits this long for the webhook's answer before it sends the buyer back
MAX_FORM_BYTES = 10_000
EXPIRY = re.compile(r"^(\d{1,2})\s*/?\s*(\d{2}|\d{4})$")


@dataclass(slots=True)
class HostedCheckout:
    """Shows sessions to buyers and takes their payment."""

    world: World
    delivery: Delivery

    def routes(self) -> list[Route]:
        """The routes of the page."""
        return [
            Route("/c/pay/{id}", self.show, methods=["GET"]),
            Route("/c/pay/{id}", self.pay, methods=["POST"]),
            Route("/c/pay/{id}/cancel", self.cancel, methods=["POST"]),
            Route("/c/pay/{id}/currency", self.choose_currency, methods=["POST"]),
            Route("/c/pay/{id}/promotion_code", self.change_code, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The form of an open session, else a page that says what became of the session."""
        return self.act(request, choosing.locate, self.form)

    def act(
        self,
        request: Request,
        change: Callable[[Operation, Json], object],
        answer: Callable[[Json], Response],
    ) -> Response:
        """Change an open session and answer. If it can't be paid or changed, the answer is a page that says why."""
        session = self.session(request)
        if session is None or session["status"] != "open":
            return self.closed(session)
        try:
            with self.world.operation() as op:
                choosing.payable(op, session["id"])
        except StripeError:
            return self.orphaned(session)
        try:
            with self.world.operation() as op:
                change(op, session)
        except StripeError as error:
            return self.form(session, {}, {error.param or "": error.message}, 422)
        return answer(session)

    async def choose_currency(self, request: Request) -> Response:
        """The buyer wants to pay in another of the prices' currencies."""
        currency = (await form_of(request)).get("currency", "")
        return self.act(
            request, lambda op, session: choosing.choose_currency(op, session["id"], currency), self.to_form
        )

    async def change_code(self, request: Request) -> Response:
        """The buyer applies a promotion code, or takes it off again."""
        form = await form_of(request)

        def change(op: Operation, session: Json) -> None:
            if "remove" in form:
                choosing.remove_code(op, session["id"])
            else:
                choosing.apply_code(op, session["id"], form.get("promotion_code", ""))

        return self.act(request, change, self.to_form)

    def to_form(self, session: Json) -> Response:
        """Back to the page, by a GET, so that reloading repeats nothing."""
        return RedirectResponse(f"/c/pay/{session['id']}", 303)

    async def pay(self, request: Request) -> Response:
        """The buyer pressed Pay; pressing twice pays once."""
        form = await form_of(request)
        session = self.session(request)
        if session is None or session["status"] == "expired":
            return self.closed(session)
        if session["status"] == "complete":
            return self.back(session)
        try:
            with self.world.operation() as op:
                choosing.locate(op, choosing.payable(op, session["id"]))
        except StripeError:
            return self.orphaned(session)
        card, problems = self.check(session, form)
        if card is None or problems:
            return self.form(session, form, problems, 422)
        email = form.get("email", "").strip()
        with self.world.operation() as op:
            session = buying.pay(op, session["id"], card.outcome, replace(card.buyer, email=email))
            completed = [event["id"] for event in op.events if event["type"] == "checkout.session.completed"]
        if session["status"] == "open":
            reason = DECLINES[card.buyer.decline_code]
            return self.form(session, form, {"card": f"{reason.message} Nothing was charged. Try another card."}, 402)
        for event in completed:
            await self.delivery.first_attempt(event, REDIRECT_WAIT_SECONDS)
        return self.back(session)

    async def cancel(self, request: Request) -> Response:
        """Back to the shop; the session stays open until it expires."""
        session = self.session(request)
        if session is None or not session["cancel_url"]:
            return self.closed(session)
        return RedirectResponse(returned(session, "cancel_url"), 303)

    def session(self, request: Request) -> Json | None:
        """The session that the address names."""
        identifier = request.path_params["id"]
        if self.world.store.get("checkout.session", identifier) is None:
            return None
        with self.world.operation() as op:
            return fresh(op, identifier)

    def form(
        self,
        session: Json,
        form: dict[str, str] | None = None,
        problems: dict[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        """The payment form, with what was typed before (never the card) and what was wrong with it."""
        form = form or {}
        with self.world.operation() as op:
            items = op.private(session["id"]).get("line_items", [])
            currencies = choosing.currencies(op, session)
            code = op.store.get("promotion_code", next((d["promotion_code"] or "" for d in session["discounts"]), ""))
        customer = self.world.store.get("customer", session["customer"] or "") or {}
        return page(
            "checkout.html",
            status,
            (session["success_url"], session["cancel_url"]),
            session=session,
            items=items,
            currencies=currencies,
            code=code,
            cards=[
                card
                for card in CARDS
                if card.outcome != "processing" or "us_bank_account" in session["payment_method_types"]
            ],
            email=form.get("email") or session["customer_email"] or customer.get("email") or "",
            problems=problems or {},
        )

    def check(self, session: Json, form: dict[str, str]) -> tuple[TestCard | None, dict[str, str]]:
        """The card meant, and a sentence for each field that is wrong."""
        problems: dict[str, str] = {}
        if "@" not in form.get("email", "").strip("@ "):
            problems["email"] = "Enter your email address."
        if not session["amount_total"] and session["mode"] != "setup":
            return CARDS[0], problems
        digits = re.sub(r"\D", "", form.get("card", ""))
        card = BY_NUMBER.get(digits)
        if (
            card is not None
            and card.outcome == "processing"
            and "us_bank_account" not in session["payment_method_types"]
        ):
            card = None
        if card is None:
            problems["card"] = "Use one of the test cards shown on this page. Real cards don't work here."
        if not self.in_future(form.get("expiry", "")):
            problems["expiry"] = "Enter a date in the future, as MM\N{NO-BREAK SPACE}/\N{NO-BREAK SPACE}YY."
        if not re.fullmatch(r"\d{3,4}", form.get("cvc", "").strip(), re.ASCII):
            problems["cvc"] = "Enter 3 or 4 digits."
        return card, problems

    def in_future(self, text: str) -> bool:
        """Whether ``MM / YY`` lies ahead."""
        match = EXPIRY.match(text.strip())
        if match is None or not 1 <= int(match[1]) <= 12:
            return False
        now = datetime.fromtimestamp(self.world.clock(), UTC)
        year = int(match[2]) + (2000 if len(match[2]) == 2 else 0)
        return (year, int(match[1])) >= (now.year, now.month)

    def back(self, session: Json) -> Response:
        """To the shop's success page; a session without one says thank you here."""
        if session["success_url"]:
            return RedirectResponse(returned(session, "success_url"), 303)
        return self.closed(session)

    def orphaned(self, session: Json) -> Response:
        """The page for a session whose customer was deleted, so that it can't be paid."""
        link = ("Back to the shop", returned(session, "cancel_url")) if session["cancel_url"] else None
        text = "The shop has deleted the account that this checkout was for. Nothing was charged. Start again there."
        return message_page("This checkout can't be paid any more", text, 410, link)

    def closed(self, session: Json | None) -> Response:
        """The page that says why there is nothing to pay."""
        if session is None:
            return message_page(
                "There is no such checkout", "The link is incomplete, or it belongs to another sandbox.", 404
            )
        if session["status"] == "complete":
            link = ("Back to the shop", returned(session, "success_url")) if session["success_url"] else None
            text = "This checkout is complete. There is nothing more to pay."
            return message_page("You're all done here", text, link=link)
        if session["status"] == "expired":
            link = ("Back to the shop", returned(session, "cancel_url")) if session["cancel_url"] else None
            text = "This checkout was open too long and has expired. Nothing was charged. Start again from the shop."
            return message_page("This checkout has expired", text, 410, link)
        return message_page("Nowhere to go back to", "The shop gave no address to return to. You can close this page.")


def returned(session: Json, name: str) -> str:
    """A return address with the session's id filled in."""
    return str(session[name]).replace("{CHECKOUT_SESSION_ID}", session["id"])


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a small form."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_FORM_BYTES:
        return {}
    async with request.form(max_files=0, max_fields=20) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}
