"""Disputes: inquiries, chargebacks, their outcomes and the money that moves with them."""

from __future__ import annotations

from stripe_sandbox.errors import StripeError, invalid, no_such
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import list_objects
from stripe_sandbox.operation import Operation, change, merge_metadata
from stripe_sandbox.resources.balance import new_transaction
from stripe_sandbox.resources.charges import paid_charge
from stripe_sandbox.resources.fraud import settle_warnings
from stripe_sandbox.store import Json

INQUIRY = ("warning_needs_response", "warning_under_review", "warning_closed")
OPEN = ("needs_response", "under_review", "appeal_needs_response", "appeal_under_review")
CLOSED = ("warning_closed", "prevented", "won", "lost")
STATUSES = (*INQUIRY, *OPEN, "won", "lost", "prevented")
DISPUTE_FEE = 1500  # minor units; Stripe's fee in the US
RESPONSE_SECONDS = 9 * 24 * 60 * 60
EVIDENCE = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
]


def opened(op: Operation, params: Json) -> Json:
    """Let the bank open a dispute; if ``status`` is not one in which disputes begin, it is moved to it afterwards.

    ``params``: ``payment_intent`` or ``charge``; optional ``status``, ``amount`` (minor units), ``reason``, and
    ``detached`` (true: its ``payment_intent`` is null, as Stripe allows).
    """
    status = params.get("status", "needs_response")
    check_status(status)
    charge = paid_charge(op, params, " and cannot be disputed.")
    amount = params.get("amount") or charge["amount"] - charge["amount_refunded"] or charge["amount"]
    if not isinstance(amount, int) or isinstance(amount, bool) or not 0 < amount <= charge["amount"]:
        raise invalid("Invalid amount: must be between 1 and the charge's amount", "amount")
    first = "warning_needs_response" if status in INQUIRY else "needs_response"
    first = "prevented" if status == "prevented" else first
    dispute = new_dispute(op, charge, amount, first, params)
    before = change(charge, disputed=True)
    op.put(charge)
    op.emit("charge.dispute.created", dispute)
    if before:
        op.emit("charge.updated", charge, before)
    settle_warnings(op, charge)
    if status == "prevented":
        op.emit("charge.dispute.closed", dispute)
    move_money(op, dispute)
    return dispute if status == first else move(op, dispute["id"], status)


def new_dispute(op: Operation, charge: Json, amount: int, status: str, params: Json) -> Json:
    """The dispute. As at Stripe, it inherits no metadata and has no customer."""
    reason = params.get("reason", "fraudulent")
    dispute: Json = {
        "id": new_id("dispute"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": op.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": op.now + RESPONSE_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "intended_submission_method": None,
        "is_charge_refundable": status in INQUIRY,
        "livemode": False,
        "metadata": {},
        "network_reason_code": "10.4",
        "payment_intent": None if params.get("detached") else charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": "visa",
                "case_type": "inquiry" if status in INQUIRY else "chargeback",
                "network": "visa",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": status,
    }
    return op.put(dispute)


def move(op: Operation, identifier: str, status: str) -> Json:
    """Give the dispute another status; every known status is allowed, in any order."""
    check_status(status)
    dispute = op.get("dispute", identifier)
    if dispute["status"] == status:
        return dispute
    details = dispute["payment_method_details"]
    card = {**details["card"], "case_type": "inquiry" if status in INQUIRY else "chargeback"}
    previous = change(
        dispute,
        status=status,
        is_charge_refundable=status in INQUIRY,
        payment_method_details={**details, "card": card},
    )
    op.put(dispute)
    op.emit("charge.dispute.updated", dispute, previous)
    if status in CLOSED:
        op.emit("charge.dispute.closed", dispute, previous)
    move_money(op, dispute)
    return dispute


def move_money(op: Operation, dispute: Json) -> None:
    """Withdraw the amount when an inquiry becomes a chargeback, and reinstate it when the dispute is won."""
    withdrawn = sum(entry["amount"] for entry in dispute["balance_transactions"]) < 0
    chargeback = dispute["status"] in OPEN or dispute["status"] == "lost"
    if chargeback == withdrawn:
        return
    amount = -dispute["amount"] if chargeback else dispute["amount"]
    entry = new_transaction(
        op, dispute, amount, "adjustment", f"Chargeback {'withdrawal' if chargeback else 'reversal'}"
    )
    if chargeback:
        fee = {
            "amount": DISPUTE_FEE,
            "application": None,
            "currency": dispute["currency"],
            "description": "Dispute fee",
            "type": "stripe_fee",
        }
        entry.update(fee=DISPUTE_FEE, net=amount - DISPUTE_FEE, fee_details=[fee])
        op.put(entry)
    previous = change(dispute, balance_transactions=[*dispute["balance_transactions"], entry])
    op.put(dispute)
    op.emit("charge.dispute.funds_withdrawn" if chargeback else "charge.dispute.funds_reinstated", dispute, previous)


def check_status(status: object) -> None:
    """Raise StripeError unless ``status`` is one of Stripe's dispute statuses."""
    if status not in STATUSES:
        raise invalid(f"Invalid status: must be one of {', '.join(STATUSES)}", "status")


def update(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/disputes/{id}``: evidence and metadata; submitted evidence is under review."""
    dispute = op.get("dispute", identifier)
    if dispute["status"] in CLOSED:
        raise StripeError("This dispute is already closed", code="dispute_already_closed")
    method = "intended_submission_method"
    changes: Json = {method: params[method]} if method in params else {}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(dispute["metadata"], params["metadata"])
    if "evidence" in params:
        given = {name: value or None for name, value in params["evidence"].items() if name in EVIDENCE}
        changes["evidence"] = {**dispute["evidence"], **given}
        submitted = params.get("submit", True)
        count = dispute["evidence_details"]["submission_count"] + int(submitted)
        changes["evidence_details"] = {
            **dispute["evidence_details"],
            "has_evidence": any(value for name, value in changes["evidence"].items() if name in EVIDENCE),
            "submission_count": count,
            **({"submission_method": "manual"} if submitted else {}),
        }
        if submitted:
            changes["status"] = dispute["status"].replace("needs_response", "under_review")
    previous = change(dispute, **changes)
    op.put(dispute)
    if previous:
        op.emit("charge.dispute.updated", dispute, previous)
    return dispute


def close(op: Operation, _params: Json, identifier: str) -> Json:
    """``POST /v1/disputes/{id}/close``: accept the loss."""
    dispute = op.get("dispute", identifier)
    if dispute["status"] in CLOSED:
        raise StripeError("This dispute is already closed", code="dispute_already_closed")
    return move(op, identifier, "warning_closed" if dispute["status"] in INQUIRY else "lost")


def list_disputes(op: Operation, params: Json) -> Json:
    """``GET /v1/disputes``."""
    for name in ("charge", "payment_intent"):
        if name in params and op.store.get(name, params[name]) is None:
            raise no_such(name, params[name], name, 400)
    return list_objects(op.store, "dispute", "/v1/disputes", params)
