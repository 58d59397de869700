"""Payment links: pages that make sessions which our server did not ask for, and which must never grant anything."""

from __future__ import annotations

from stripe_sandbox.errors import StripeError
from stripe_sandbox.ids import new_id, random_text
from stripe_sandbox.operation import Operation, change, merge_metadata
from stripe_sandbox.resources.buying import pay
from stripe_sandbox.resources.catalog import apply_update
from stripe_sandbox.resources.checkout import create as create_session
from stripe_sandbox.resources.line_items import build_items
from stripe_sandbox.resources.payment_methods import Buyer
from stripe_sandbox.store import Json

UPDATABLE = ("active", "after_completion", "allow_promotion_codes", "customer_creation", "inactive_message")


def create(op: Operation, params: Json) -> Json:
    """``POST /v1/payment_links``."""
    items = build_items(op, params["line_items"], "payment")
    link: Json = {
        "id": new_id("payment_link"),
        "object": "payment_link",
        "active": True,
        "after_completion": after_completion(params.get("after_completion")),
        "allow_promotion_codes": params.get("allow_promotion_codes", False),
        "application": None,
        "application_fee_amount": None,
        "application_fee_percent": None,
        "automatic_tax": {"enabled": False, "liability": None},
        "billing_address_collection": "auto",
        "consent_collection": None,
        "currency": items[0]["currency"],
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer_creation": params.get("customer_creation", "if_required"),
        "inactive_message": params.get("inactive_message"),
        "invoice_creation": None,
        "livemode": False,
        "managed_payments": None,
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "on_behalf_of": None,
        "optional_items": None,
        "payment_intent_data": intent_data(params.get("payment_intent_data")),
        "payment_method_collection": "always",
        "payment_method_options": None,
        "payment_method_types": None,
        "phone_number_collection": {"enabled": False},
        "restrictions": None,
        "shipping_address_collection": None,
        "shipping_options": [],
        "submit_type": "auto",
        "subscription_data": None,
        "tax_id_collection": {"enabled": False, "required": "never"},
        "transfer_data": None,
        "url": f"{op.settings.public_url}/buy/test_{random_text(20)}",
    }
    op.put_private(
        link["id"],
        {
            "line_items": items,
            "given": params["line_items"],
            "payment_intent_data": params.get("payment_intent_data", {}),
        },
    )
    op.put(link)
    op.emit("payment_link.created", link)
    return link


def after_completion(given: Json | None) -> Json:
    """What a buyer sees after paying."""
    if given is not None and given["type"] == "redirect":
        return {"redirect": given["redirect"], "type": "redirect"}
    confirmation = (given or {}).get("hosted_confirmation", {})
    return {"hosted_confirmation": {"custom_message": None, **confirmation}, "type": "hosted_confirmation"}


def intent_data(given: Json | None) -> Json | None:
    """A link's ``payment_intent_data`` with all members."""
    names = (
        "capture_method",
        "description",
        "setup_future_usage",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_group",
    )
    return {**dict.fromkeys(names), "metadata": {}, **given} if given else None


def update(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/payment_links/{id}``."""
    given = dict(params)
    if "after_completion" in given:
        given["after_completion"] = after_completion(given["after_completion"])
    return apply_update(op, op.get("payment_link", identifier), given, UPDATABLE, "payment_link.updated")


def pay_link(op: Operation, identifier: str, outcome: str, buyer: Buyer, extra: Json) -> Json:
    """Let somebody buy through the link: a session with the link's metadata is made and paid at once.

    ``extra``: ``customer`` and ``client_reference_id``, as a link's URL can carry them.
    """
    link = op.get("payment_link", identifier)
    if not link["active"]:
        raise StripeError("This payment link is not active.", param="payment_link")
    private = op.private(identifier)
    given = {
        "mode": "payment",
        "line_items": private["given"],
        "metadata": link["metadata"],
        "success_url": op.settings.public_url + "/",
        "customer_creation": link["customer_creation"],
        "allow_promotion_codes": link["allow_promotion_codes"],
        "payment_intent_data": private["payment_intent_data"],
        **extra,
    }
    if "customer" in given:
        del given["customer_creation"]
    session = create_session(op, given)
    change(session, payment_link=identifier)
    return pay(op, session["id"], outcome, buyer)
