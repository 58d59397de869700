"""The charge that a dispute or a warning is about."""

from __future__ import annotations

from stripe_sandbox.errors import invalid, missing
from stripe_sandbox.operation import Operation
from stripe_sandbox.store import Json


def paid_charge(op: Operation, params: Json, otherwise: str) -> Json:
    """The charge that ``params`` name; ``otherwise`` ends what is said of one that has not succeeded."""
    if params.get("charge"):
        charge = op.get("charge", str(params["charge"]), "charge")
    elif params.get("payment_intent"):
        intent = op.get("payment_intent", str(params["payment_intent"]), "payment_intent")
        charge = op.get("charge", intent["latest_charge"] or "", "payment_intent")
    else:
        raise missing("payment_intent")
    if charge["status"] != "succeeded":
        raise invalid(f"The charge {charge['id']} has not succeeded{otherwise}", "payment_intent")
    return charge
