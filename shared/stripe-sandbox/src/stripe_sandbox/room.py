"""The control room: a page that shows live what happened in the sandbox, with buttons for what can happen next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stripe_sandbox.behavior import ApiBehavior
from stripe_sandbox.delivery import Delivery
from stripe_sandbox.entitlement import Entitlements
from stripe_sandbox.operation import World
from stripe_sandbox.pages import money, page
from stripe_sandbox.resources.disputes import STATUSES
from stripe_sandbox.resources.endpoints import shown_event
from stripe_sandbox.store import Json

MAX_SESSIONS, MAX_EVENTS, MAX_BUYERS = 500, 300, 200
MAX_ASKED = 24
"""Users of whom the product is asked at once."""


@dataclass(slots=True)
class ControlRoom:
    """The page at ``/``, and the data that it polls."""

    world: World
    behavior: ApiBehavior
    delivery: Delivery
    entitlements: Entitlements

    def routes(self) -> list[Route]:
        """The routes of the room."""
        return [
            Route("/", self.show),
            Route("/_sandbox/state", self.state),
            Route("/_sandbox/entitlements", self.now),
        ]

    async def show(self, _request: Request) -> Response:
        """The page; its script fills it."""
        settings = self.world.settings
        return page("room.html", settings=settings, asks=settings.entitlement_url is not None, statuses=STATUSES)

    async def state(self, request: Request) -> Response:
        """All that the page shows; 304 when nothing changed since the given ETag."""
        revision = f"{self.world.store.revision}.{self.behavior.shown()}.{self.delivery.settings}"
        tag = f'"{hash(revision) & 0xFFFFFFFFFFFF:x}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        buyers = self.buyers()
        body = {
            "buyers": buyers,
            "paid": sum(any(each["payment_status"] == "paid" for each in buyer["sessions"]) for buyer in buyers),
            "events": [self.event(event) for event in islice(self.world.store.of("event").newest_first(), MAX_EVENTS)],
            "delivery": self.delivery.shown(),
            "api": self.behavior.shown(),
        }
        return JSONResponse(body, headers={"ETag": tag, "Cache-Control": "no-store"})

    async def now(self, request: Request) -> Response:
        """The given users' present entitlements, as the product tells them."""
        users = [user for user in request.query_params.getlist("user") if user][:MAX_ASKED]
        answers = await asyncio.gather(*(self.entitlements.of(user) for user in users))
        return JSONResponse({"data": dict(zip(users, answers, strict=True))}, headers={"Cache-Control": "no-store"})

    def buyers(self) -> list[Json]:
        """Users with their sessions, whoever began one last comes first; so does each one's newest session."""
        found: dict[str, Json] = {}
        for session in islice(self.world.store.of("checkout.session").newest_first(), MAX_SESSIONS):
            user = self.user_of(session)
            if user not in found and len(found) == MAX_BUYERS:
                break
            email = (session["customer_details"] or {}).get("email") or session["customer_email"]
            buyer = found.setdefault(user, {"user": user, "email": email, "sessions": []})
            buyer["email"] = buyer["email"] or email
            buyer["sessions"].append(self.session(session))
        return list(found.values())

    def user_of(self, session: Json) -> str:
        """The user id in the metadata of a session or of its customer; empty if there is none."""
        customer = self.world.store.get("customer", session["customer"] or "") or {}
        return str(session["metadata"].get("userId") or (customer.get("metadata") or {}).get("userId") or "")

    def session(self, session: Json) -> Json:
        """A session with its payments."""
        charges = self.world.store.of("charge").having("payment_intent", session["payment_intent"] or "")
        intent = self.world.store.get("payment_intent", session["payment_intent"] or "") or {}
        return {
            "id": session["id"],
            "created": session["created"],
            "status": session["status"],
            "payment_status": session["payment_status"],
            "amount": money(session["amount_total"], session["currency"]),
            "url": session["url"],
            "customer_deleted": bool(
                (self.world.store.get("customer", session["customer"] or "") or {}).get("deleted")
            ),
            "payment_link": session["payment_link"],
            "processing": intent.get("status") == "processing",
            "payment_intent": session["payment_intent"],
            "invoice": session["invoice"],
            "charges": [self.charge(charge) for charge in charges],
        }

    def charge(self, charge: Json) -> Json:
        """A charge with its refunds and disputes."""
        store = self.world.store
        refunds = store.of("refund").having("charge", charge["id"])
        disputes = store.of("dispute").having("charge", charge["id"])
        warnings = store.of("radar.early_fraud_warning").having("charge", charge["id"])
        left = charge["amount"] - charge["amount_refunded"]
        kind = charge["payment_method_details"]["type"]
        return {
            "id": charge["id"],
            "status": charge["status"],
            "method": f"{'Card' if kind == 'card' else 'Bank'} •••• {charge['payment_method_details'][kind]['last4']}",
            "amount": money(charge["amount"], charge["currency"]),
            "left": left,
            "left_text": money(left, charge["currency"]),
            "refundable": charge["status"] == "succeeded"
            and left > 0
            and all(d["is_charge_refundable"] for d in disputes),
            "failure": charge["failure_message"],
            "refunds": [brief(item) for item in refunds],
            "disputes": [brief(item) for item in disputes],
            "warnings": [
                {"id": item["id"], "type": item["fraud_type"], "actionable": item["actionable"]} for item in warnings
            ],
        }

    def buyer_behind(self, about: Json) -> str:
        """The user whom an event's object concerns: by its own metadata, its payment's, or its customer's."""
        store = self.world.store
        charge = store.get("charge", id_in(about, "charge")) or {}
        intent = store.get("payment_intent", id_in(about, "payment_intent") or id_in(charge, "payment_intent")) or {}
        for thing in (about, charge, intent):
            customer = store.get("customer", id_in(thing, "customer")) or {}
            for holder in (thing, customer):
                if user := (holder.get("metadata") or {}).get("userId"):
                    return str(user)
        sessions = store.of("checkout.session").having("payment_intent", str(intent.get("id") or ""))
        return next((user for session in sessions if (user := self.user_of(session))), "")

    def event(self, event: Json) -> Json:
        """An event with its deliveries."""
        ids = (self.world.store.get("deliveries_of", event["id"]) or {}).get("ids", [])
        deliveries = [self.world.store.get("delivery", identifier) for identifier in ids]
        about = shown_event(self.world.store, event)["data"]["object"]
        return {
            "id": event["id"],
            "type": event["type"],
            "user": self.buyer_behind(about),
            "amount": amount_of(about, event["type"]),
            "about": about.get("id"),
            "created": event["created"],
            "deliveries": [travel(delivery) for delivery in deliveries if delivery],
        }


def id_in(thing: Json, name: str) -> str:
    """The id of another object that ``thing`` names; empty if it names none."""
    value = thing.get(name)
    return value if isinstance(value, str) else ""


def amount_of(about: Json, event_type: str) -> str | None:
    """The money that an event is about; None where it is about none."""
    told = ("amount_refunded",) if event_type == "charge.refunded" else ("amount_total", "amount", "total")
    amount = next((about[name] for name in told if isinstance(about.get(name), int)), None)
    return money(amount, about["currency"]) if amount is not None and about.get("currency") else None


def brief(item: Json) -> dict[str, Any]:
    """A refund or a dispute in short."""
    return {"id": item["id"], "status": item["status"], "amount": money(item["amount"], item["currency"])}


def travel(delivery: Json) -> dict[str, Any]:
    """A delivery's state and its last attempt."""
    last = delivery["attempts"][-1] if delivery["attempts"] else None
    return {
        "id": delivery["id"],
        "state": delivery["state"],
        "attempts": len(delivery["attempts"]),
        "last": f"{last['status'] or last['error']}" if last else None,
        "ms": last["ms"] if last else None,
        "next": delivery["next_attempt"],
    }
