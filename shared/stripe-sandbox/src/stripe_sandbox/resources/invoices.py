"""Invoices of one-time purchases (``invoice_creation``); they are paid when they are created."""

from __future__ import annotations

from stripe_sandbox.ids import new_id
from stripe_sandbox.operation import Operation, change
from stripe_sandbox.store import Json, Store


def new_invoice(op: Operation, session: Json, charge: Json | None) -> Json:
    """The paid invoice of a session; ``charge`` is None where there was nothing to pay."""
    customer = op.get("customer", session["customer"])
    details = session["customer_details"] or {}
    settings = session["invoice_creation"]["invoice_data"]
    identifier = new_id("invoice")
    number = customer["next_invoice_sequence"]
    change(customer, next_invoice_sequence=number + 1)
    op.put(customer)
    total = session["amount_total"]
    lines = [line_of(op, identifier, item) for item in op.private(session["id"])["line_items"]]
    page = f"{op.settings.public_url}/invoices/{identifier}"
    invoice: Json = {
        "id": identifier,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Atlas",
        "account_tax_ids": None,
        "amount_due": total,
        "amount_overpaid": 0,
        "amount_paid": total,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 1 if charge else 0,
        "attempted": True,
        "auto_advance": False,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None,
        "billing_reason": "manual",
        "collection_method": "charge_automatically",
        "created": op.now,
        "currency": session["currency"],
        "custom_fields": settings["custom_fields"],
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": details.get("address"),
        "customer_email": details.get("email"),
        "customer_name": details.get("name"),
        "customer_phone": None,
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": settings["description"],
        "discounts": [],
        "due_date": None,
        "effective_at": op.now,
        "ending_balance": 0,
        "footer": settings["footer"],
        "from_invoice": None,
        "hosted_invoice_url": page,
        "invoice_pdf": f"{page}/pdf",
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": {"object": "list", "data": lines, "has_more": False, "url": f"/v1/invoices/{identifier}/lines"},
        "livemode": False,
        "metadata": dict(settings["metadata"] or {}),
        "next_payment_attempt": None,
        "number": f"{customer['invoice_prefix']}-{number:04d}",
        "on_behalf_of": None,
        "parent": None,
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": op.now,
        "period_start": op.now,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "paid",
        "status_transitions": {
            "finalized_at": op.now,
            "marked_uncollectible_at": None,
            "paid_at": op.now,
            "voided_at": None,
        },
        "subtotal": session["amount_subtotal"],
        "subtotal_excluding_tax": session["amount_subtotal"],
        "test_clock": None,
        "total": total,
        "total_discount_amounts": [],
        "total_excluding_tax": total - session["total_details"]["amount_tax"],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": op.now,
    }
    op.put(invoice)
    if charge is not None:
        record_payment(op, invoice, charge)
    return invoice


def line_of(op: Operation, invoice: str, item: Json) -> Json:
    """A session's line item as a line of its invoice."""
    price = item["price"]
    return {
        "id": new_id("line_item"),
        "object": "line_item",
        "amount": item["amount_subtotal"],
        "currency": item["currency"],
        "description": item["description"],
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice,
        "livemode": False,
        "metadata": {},
        "parent": None,
        "period": {"end": op.now, "start": op.now},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": item["quantity"],
        "quantity_decimal": str(item["quantity"]),
        "subscription": None,
        "subtotal": item["amount_subtotal"],
        "taxes": [],
    }


def record_payment(op: Operation, invoice: Json, charge: Json) -> None:
    """Create the ``invoice_payment`` that connects the payment with its invoice."""
    payment: Json = {
        "id": new_id("invoice_payment"),
        "object": "invoice_payment",
        "amount_paid": charge["amount"],
        "amount_requested": charge["amount"],
        "created": op.now,
        "currency": charge["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": charge["payment_intent"], "type": "payment_intent"},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": op.now},
    }
    op.put(payment)


def tell_paid(op: Operation, invoice: Json | None) -> None:
    """The events of an invoice that was made and paid at once."""
    if invoice is not None:
        for event in ("invoice.created", "invoice.finalized", "invoice.paid", "invoice.payment_succeeded"):
            op.emit(event, invoice)
        for payment in payments_of(op.store, invoice["id"]):
            op.emit("invoice_payment.paid", payment)


def payments_of(store: Store, invoice: str) -> list[Json]:
    """How an invoice was paid."""
    return store.of("invoice_payment").having("invoice", invoice)
