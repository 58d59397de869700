"""``/_sandbox/…``: the control surface for tests and people. Each call answers with what it changed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stripe_sandbox.behavior import ApiBehavior, RequestLog
from stripe_sandbox.delivery import MODES, Delivery, DeliverySettings
from stripe_sandbox.errors import StripeError, invalid, missing, unknown
from stripe_sandbox.ids import new_id
from stripe_sandbox.operation import Operation, World
from stripe_sandbox.permissions import TODAY, Permissions
from stripe_sandbox.resources import buying, checkout, choosing, disputes, endpoints, fraud, links, refunds, seed
from stripe_sandbox.resources.payment_methods import Buyer
from stripe_sandbox.store import Json

MAX_BODY = 100_000
MAX_DUPLICATE, MAX_DELAY_MS, MAX_LATENCY_MS, MAX_FAILURES = 100, 600_000, 600_000, 1_000_000
Action = Callable[[Operation, Json, str], Json]


@dataclass(slots=True)
class Control:
    """The calls of the control surface, and what they control."""

    world: World
    behavior: ApiBehavior
    log: RequestLog
    delivery: Delivery
    permissions: Permissions

    def routes(self) -> list[Route]:
        """The routes of the control surface."""
        return [
            self.action("/seed", seed.seed, most=seed.MAX_BODY),
            self.action("/checkout/{id}/pay", pay),
            self.action("/checkout/{id}/settle", settle),
            self.action("/checkout/{id}/expire", lambda op, _body, identifier: checkout.expire(op, {}, identifier)),
            self.action("/payment_links/pay", pay_link),
            self.action("/refunds", open_refund),
            self.action("/refunds/{id}/fail", fail_refund),
            self.action("/refunds/{id}/settle", settle_refund),
            self.action("/disputes", open_dispute),
            self.action("/disputes/{id}", move_dispute),
            self.action("/fraud_warnings", warn_of_fraud),
            self.action("/webhook_endpoints/{id}/roll", roll_secret),
            self.action("/events/{id}/resend", self.resend),
            self.plain("/delivery", self.put_delivery, "PUT"),
            self.plain("/delivery", self.get_delivery, "GET"),
            self.plain("/delivery/flush", self.flush, "POST"),
            self.plain("/api", self.put_api, "PUT"),
            self.plain("/api", self.get_api, "GET"),
            self.plain("/permissions", self.put_permissions, "PUT"),
            self.plain("/permissions", lambda _body: self.permissions.shown(), "GET"),
            self.plain("/requests", self.get_requests, "GET"),
            self.plain("/requests", self.delete_requests, "DELETE"),
        ]

    def action(self, path: str, use_case: Action, *, most: int = MAX_BODY) -> Route:
        """A POST that changes objects (sessions, refunds, disputes …). ``most``: bytes of its body."""

        async def endpoint(request: Request) -> Response:
            body = await json_body(request, most)
            with self.world.operation() as op:
                return JSONResponse(use_case(op, body, request.path_params.get("id", "")))

        return Route("/_sandbox" + path, guarded(endpoint), methods=["POST"])

    def plain(self, path: str, handler: Callable[[Json], Json], method: str) -> Route:
        """A call about the sandbox's own behavior."""

        async def endpoint(request: Request) -> Response:
            return JSONResponse(handler(await json_body(request)))

        return Route("/_sandbox" + path, guarded(endpoint), methods=[method])

    def put_delivery(self, body: Json) -> Json:
        """How webhooks are delivered from now on; settings that are not given go back to their defaults."""
        only(body, *(each.name for each in fields(DeliverySettings)))
        mode = body.get("mode", "normal")
        if mode not in MODES:
            raise invalid(f"Invalid mode: must be one of {', '.join(MODES)}", "mode")
        duplicate = whole(body, "duplicate", MAX_DUPLICATE)
        self.delivery.change(
            DeliverySettings(mode, duplicate, flag(body, "shuffle"), whole(body, "delay_ms", MAX_DELAY_MS))
        )
        return self.delivery.shown()

    def get_delivery(self, _body: Json) -> Json:
        return self.delivery.shown()

    def flush(self, _body: Json) -> Json:
        """Send held webhooks, and retry failed ones, at once."""
        return {"released": self.delivery.release(), **self.delivery.shown()}

    def put_api(self, body: Json) -> Json:
        """Failures and delays of the API from now on; settings that are not given go back to their defaults."""
        only(body, *(each.name for each in fields(ApiBehavior)))
        status = body.get("status", 500)
        if not isinstance(status, int) or isinstance(status, bool) or not 400 <= status <= 599:
            raise invalid("Invalid status: must be an integer from 400 to 599", "status")
        self.behavior.latency_ms = whole(body, "latency_ms", MAX_LATENCY_MS)
        self.behavior.fail_next = whole(body, "fail_next", MAX_FAILURES)
        self.behavior.status = status
        self.behavior.after_effect = flag(body, "after_effect")
        return self.behavior.shown()

    def get_api(self, _body: Json) -> Json:
        return self.behavior.shown()

    def put_permissions(self, body: Json) -> Json:
        """The permissions that the key lacks from now on; an empty list gives it all permissions."""
        only(body, "deny", "wording")
        self.permissions.change(body.get("deny", []), body.get("wording", TODAY))
        return self.permissions.shown()

    def get_requests(self, _body: Json) -> Json:
        return self.log.shown()

    def delete_requests(self, _body: Json) -> Json:
        self.log.entries.clear()
        return self.log.shown()

    def resend(self, op: Operation, _body: Json, identifier: str) -> Json:
        """Send an event once more."""
        event = op.get("event", identifier)
        self.delivery.resend(event)
        return endpoints.shown_event(op.store, event)


def pay(op: Operation, body: Json, identifier: str) -> Json:
    """Let the buyer pay, or try to."""
    only(body, "outcome", "email", "name", "currency", "promotion_code")
    if "currency" in body:
        choosing.choose_currency(op, identifier, text(body, "currency", "").lower())
    if "promotion_code" in body:
        choosing.apply_code(op, identifier, text(body, "promotion_code", ""))
    return buying.pay(op, identifier, text(body, "outcome", "paid"), buyer_of(body))


def settle(op: Operation, body: Json, identifier: str) -> Json:
    """A delayed payment succeeds or fails."""
    only(body, "result")
    return buying.settle(op, identifier, text(body, "result", "succeeded"))


def pay_link(op: Operation, body: Json, _identifier: str) -> Json:
    """Let somebody buy through the given payment link, or a new one for the configured price. Returns the session."""
    only(body, "payment_link", "outcome", "email", "name", "customer", "client_reference_id", "metadata")
    link = text(body, "payment_link", "")
    if not link:
        params = {"line_items": [{"price": op.settings.price_id, "quantity": 1}], "metadata": body.get("metadata", {})}
        link = links.create(op, params)["id"]
    extra = {name: body[name] for name in ("customer", "client_reference_id") if body.get(name)}
    return links.pay_link(op, link, text(body, "outcome", "paid"), buyer_of(body), extra)


def open_refund(op: Operation, body: Json, _identifier: str) -> Json:
    """A refund in a status of choice (pending, requires_action, succeeded), as made in the dashboard."""
    only(body, "payment_intent", "charge", "amount", "status", "reason", "metadata")
    if "amount" in body:
        whole(body, "amount", 10**12)
    return refunds.new_refund(op, body, text(body, "status", "") or None)


def fail_refund(op: Operation, _body: Json, identifier: str) -> Json:
    """Let the refund fail."""
    return refunds.fail(op, identifier)


def settle_refund(op: Operation, _body: Json, identifier: str) -> Json:
    """Let a pending refund succeed."""
    return refunds.settle(op, identifier)


def open_dispute(op: Operation, body: Json, _identifier: str) -> Json:
    """A dispute opens."""
    only(body, "payment_intent", "charge", "status", "amount", "reason", "detached")
    return disputes.opened(op, body)


def move_dispute(op: Operation, body: Json, identifier: str) -> Json:
    """Give a dispute another status."""
    only(body, "status")
    op.get("dispute", identifier)
    if "status" not in body:
        raise missing("status")
    return disputes.move(op, identifier, body["status"])


def warn_of_fraud(op: Operation, body: Json, _identifier: str) -> Json:
    """The card network warns of a charge."""
    only(body, "payment_intent", "charge", "fraud_type")
    return fraud.warn(op, body)


def roll_secret(op: Operation, _body: Json, identifier: str) -> Json:
    """Make a new signing secret; from now on the former one signs too."""
    return endpoints.roll(op, identifier)


def buyer_of(body: Json) -> Buyer:
    """Who pays."""
    return Buyer(email=text(body, "email", "") or None, name=text(body, "name", "") or None)


def text(body: Json, name: str, default: str) -> str:
    """An optional string."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise invalid(f"Invalid {name}: must be a string", name)
    return value


def whole(body: Json, name: str, most: int) -> int:
    """An optional whole number from 0."""
    value = body.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise invalid(f"Invalid {name}: must be an integer from 0 to {most}", name)
    return value


def flag(body: Json, name: str) -> bool:
    """An optional boolean."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise invalid(f"Invalid {name}: must be true or false", name)
    return value


def only(body: Json, *names: str) -> None:
    """Refuse fields that this call doesn't know."""
    for name in body:
        if name not in names:
            raise unknown(name)


async def json_body(request: Request, most: int = MAX_BODY) -> Json:
    """The JSON object in the body, which may have ``most`` bytes; empty when there is no body."""
    raw = await request.body()
    if len(raw) > most:
        raise StripeError("The body is too large.", status=413)
    if not raw.strip():
        return {}
    try:
        body: Any = json.loads(raw)
    except (ValueError, RecursionError):
        raise invalid("The body must be JSON.") from None
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    return body


def guarded(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Errors in Stripe's envelope."""

    async def wrapped(request: Request) -> Response:
        try:
            return await endpoint(request)
        except StripeError as error:
            return refused(error)

    return wrapped


def refused(error: StripeError) -> Response:
    """An error in Stripe's envelope."""
    return JSONResponse(error.envelope(new_id("request")), error.status)
