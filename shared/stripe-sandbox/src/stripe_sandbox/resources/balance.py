"""Movements on the account's balance."""

from __future__ import annotations

from stripe_sandbox.ids import new_id
from stripe_sandbox.operation import Operation
from stripe_sandbox.store import Json

# Stripe's usual price: 2.9 % + 30 minor units
FEE_RATE, FEE_FIXED = 0.029, 30
SETTLEMENT_SECONDS = 2 * 24 * 60 * 60  # until a payment's money is available


def new_transaction(op: Operation, source: Json, amount: int, kind: str, description: str | None) -> Json:
    """A movement on our balance, in minor units, at this moment; ``created`` is when the money moved."""
    fee = round(amount * FEE_RATE) + FEE_FIXED if kind == "charge" else 0
    category = {"charge": "charge", "refund": "refund", "refund_failure": "refund_failure", "adjustment": "dispute"}[
        kind
    ]
    transaction: Json = {
        "id": new_id("balance_transaction"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": op.now + (SETTLEMENT_SECONDS if kind == "charge" else 0),
        "balance_type": "payments",
        "created": op.now,
        "currency": source["currency"],
        "description": description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": fee_details(fee, source["currency"]),
        "net": amount - fee,
        "reporting_category": category,
        "source": source["id"],
        "status": "pending" if kind == "charge" else "available",
        "type": kind,
    }
    return op.put(transaction)


def fee_details(fee: int, currency: str) -> list[Json]:
    """``fee_details`` of a fee; empty for no fee."""
    if not fee:
        return []
    entry = {
        "amount": fee,
        "application": None,
        "currency": currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return [entry]
