"""The sandbox's one account, and a few other simple calls."""

from __future__ import annotations

from stripe_sandbox.errors import invalid, no_such
from stripe_sandbox.listing import list_objects
from stripe_sandbox.operation import Operation, change, merge_metadata
from stripe_sandbox.resources.customers import living, shipping_of
from stripe_sandbox.store import Json

ACCOUNT_ID = "acct_1AtlasSandbox"
SCRIPTS = ("_kana", "_kanji")  # of Japanese statement descriptors


def retrieve_account(op: Operation, _params: Json) -> Json:
    """``GET /v1/account``."""
    return {
        "id": ACCOUNT_ID,
        "object": "account",
        "business_profile": {
            "mcc": None,
            "minority_owned_business_designation": None,
            "name": "Atlas",
            "specified_commercial_transactions_act_url": None,
            "support_address": None,
            "support_email": None,
            "support_phone": None,
            "support_url": None,
            "url": op.settings.public_url,
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active", "us_bank_account_ach_payments": "active"},
        "charges_enabled": True,
        "country": "US",
        "created": 1_700_000_000,
        "default_currency": "usd",
        "details_submitted": True,
        "email": "owner@atlas.example",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": dict.fromkeys(("icon", "logo", "primary_color", "secondary_color")),
            "card_payments": dict.fromkeys(f"statement_descriptor_prefix{script}" for script in ("", *SCRIPTS)),
            "dashboard": {"display_name": "Atlas sandbox", "timezone": "Etc/UTC"},
            "payments": {
                "statement_descriptor": "ATLAS",
                **dict.fromkeys(
                    f"statement_descriptor{part}{script}" for part in ("", "_prefix") for script in SCRIPTS
                ),
            },
        },
        "type": "standard",
    }


def retrieve_account_by_id(op: Operation, params: Json, identifier: str) -> Json:
    """``GET /v1/accounts/{id}``: there is no other."""
    if identifier != ACCOUNT_ID:
        raise no_such("account", identifier)
    return retrieve_account(op, params)


def retrieve_balance(op: Operation, _params: Json) -> Json:
    """``GET /v1/balance``: sums of the balance transactions, by currency."""
    available: dict[str, int] = {}
    pending: dict[str, int] = {}
    for entry in op.store.of("balance_transaction").oldest_first():
        sums = available if entry["available_on"] <= op.now else pending
        sums[entry["currency"]] = sums.get(entry["currency"], 0) + entry["net"]
    currencies = sorted({"usd", *available, *pending})

    def amounts(sums: dict[str, int]) -> list[Json]:
        return [
            {"amount": sums.get(currency, 0), "currency": currency, "source_types": {"card": sums.get(currency, 0)}}
            for currency in currencies
        ]

    return {"object": "balance", "available": amounts(available), "livemode": False, "pending": amounts(pending)}


def update_charge(op: Operation, params: Json, identifier: str) -> Json:
    """``POST /v1/charges/{id}``."""
    charge = op.get("charge", identifier)
    if "customer" in params and charge["customer"] not in (None, living(op, params["customer"], "customer")["id"]):
        raise invalid("You cannot change the customer of a charge that already has one.", "customer")
    names = ("customer", "description", "receipt_email", "transfer_group")
    changes: Json = {name: params[name] or None for name in names if name in params}
    if "shipping" in params:
        changes["shipping"] = shipping_of(params["shipping"])
    if "fraud_details" in params:
        reported = params["fraud_details"].get("user_report") if params["fraud_details"] else None
        kept = {name: value for name, value in charge["fraud_details"].items() if name != "user_report"}
        changes["fraud_details"] = {**kept, **({"user_report": reported} if reported else {})}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(charge["metadata"], params["metadata"])
    previous = change(charge, **changes)
    op.put(charge)
    if previous:
        op.emit("charge.updated", charge, previous)
    return charge


def list_customer_methods(op: Operation, params: Json, customer: str) -> Json:
    """``GET /v1/customers/{id}/payment_methods``."""
    op.get("customer", customer)
    wanted = {**params, "customer": customer}
    return list_objects(op.store, "payment_method", f"/v1/customers/{customer}/payment_methods", wanted)
