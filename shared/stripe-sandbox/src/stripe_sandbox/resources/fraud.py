"""Early fraud warnings: the card network says that a cardholder reported a charge."""

from __future__ import annotations

from stripe_sandbox.errors import invalid
from stripe_sandbox.ids import new_id
from stripe_sandbox.listing import list_objects
from stripe_sandbox.operation import Operation, change
from stripe_sandbox.resources.charges import paid_charge
from stripe_sandbox.store import Json

KIND = "radar.early_fraud_warning"
FRAUD_TYPES = (
    "card_never_received",
    "fraudulent_card_application",
    "made_with_counterfeit_card",
    "made_with_lost_card",
    "made_with_stolen_card",
    "misc",
    "unauthorized_use_of_card",
)


def warn(op: Operation, params: Json) -> Json:
    """Create a warning. ``params``: ``payment_intent`` or ``charge``; optional ``fraud_type``."""
    fraud_type = params.get("fraud_type", "misc")
    if fraud_type not in FRAUD_TYPES:
        raise invalid(f"Invalid fraud_type: must be one of {', '.join(FRAUD_TYPES)}", "fraud_type")
    charge = paid_charge(op, params, ": there is nothing to warn of.")
    warning: Json = {
        "id": new_id(KIND),
        "object": KIND,
        "actionable": not is_settled(charge),
        "charge": charge["id"],
        "created": op.now,
        "fraud_type": fraud_type,
        "livemode": False,
        "payment_intent": charge["payment_intent"],
    }
    op.put(warning)
    op.emit("radar.early_fraud_warning.created", warning)
    return warning


def is_settled(charge: Json) -> bool:
    """Whether nothing can be done about a charge any more: it was refunded in full, or is disputed."""
    return bool(charge["refunded"] or charge["disputed"])


def settle_warnings(op: Operation, charge: Json) -> None:
    """After a full refund or a dispute, set the charge's warnings to not actionable."""
    if not is_settled(charge):
        return
    for warning in op.store.of(KIND).having("charge", charge["id"]):
        previous = change(warning, actionable=False)
        op.put(warning)
        if previous:
            op.emit("radar.early_fraud_warning.updated", warning, previous)


def list_warnings(op: Operation, params: Json) -> Json:
    """``GET /v1/radar/early_fraud_warnings``."""
    for name in ("charge", "payment_intent"):
        if name in params:
            op.get(name, params[name], name)
    return list_objects(op.store, KIND, "/v1/radar/early_fraud_warnings", params)
