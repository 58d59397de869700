"""States that few purchases reach: every test card on the hosted page, every status of disputes and refunds, a past without
events, a customer who is gone, and every object with each of its members expanded in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support.stripe_types.check import load

from stripe_sandbox.resources.cards import BY_NUMBER

from .conftest import Sandbox
from .life import LISTS, bought, session_of
from .raw import Raw
from .test_pages import CARD, visit

DISPUTES = ("warning_needs_response", "warning_under_review", "warning_closed", "needs_response", "under_review", "won", "lost")
APPEALS = ("appeal_needs_response", "appeal_under_review", "prevented")
REFUNDS = ("succeeded", "pending", "requires_action", "failed", "canceled")
OBJECT_OF_LIST = {"radar/early_fraud_warnings": "radar.early_fraud_warning", "checkout/sessions": "checkout.session"} | {
    name: name.removesuffix("s").replace("/", ".") for name in LISTS if "/" not in name or name.startswith("billing_portal")
}
EXPAND_DEPTH = 2  # hashes within an object that are looked into


def play_rare(sandbox: Sandbox, raw: Raw) -> None:
    """After ``life.play``; the answers are in ``raw.answers``."""
    for number in BY_NUMBER:
        made = session_of(raw, metadata={"number": number})
        visit(made["url"], {**CARD, "card": number})
        raw.get(f"/v1/checkout/sessions/{made['id']}", expand=["payment_intent.latest_charge", "line_items"])
    a_past(sandbox)
    for status in DISPUTES + APPEALS:
        opened = {"charge": bought(sandbox, raw), "status": status, "amount": 100, "detached": status == "won"}
        raw.answers.append(sandbox.control("POST", "/disputes", opened))
    a_customer_who_is_gone(sandbox, raw)
    everything_expanded(raw)


def a_past(sandbox: Sandbox) -> None:
    """Sessions that were seeded, with refunds and disputes in each status."""
    sessions: list[Any] = [{"outcome": outcome, "customer": True, "email": "x@example.com"} for outcome in ("paid", "processing", "failed", "expired")]
    sessions += [{"outcome": "paid", "payment_link": True}, {"outcome": "paid", "amount": 1234, "currency": "eur", "client_reference_id": "x"}]
    sessions.append({"outcome": "paid", "refunds": [{"amount": 100, "status": status} for status in REFUNDS]})
    sessions += [{"outcome": "paid", "disputes": [{"status": status, "detached": status == "lost"}]} for status in DISPUTES]
    sandbox.control("POST", "/seed", {"sessions": sessions})


def a_customer_who_is_gone(sandbox: Sandbox, raw: Raw) -> None:
    customer = raw.post("/v1/customers", email="gone@example.com")["id"]
    made = session_of(raw, customer=customer, invoice_creation={"enabled": True})["id"]
    sandbox.pay(made)
    raw.ok("DELETE", f"/v1/customers/{customer}")
    shown = raw.get(f"/v1/checkout/sessions/{made}", expand=["customer", "invoice.customer", "payment_intent.customer"])
    gone = {"id": customer, "object": "customer", "deleted": True}
    assert [shown["customer"], shown["invoice"]["customer"], shown["payment_intent"]["customer"]] == [gone] * 3
    assert raw.get(f"/v1/checkout/sessions/{made}", expand=["customer.default_source"])["customer"] == gone


def everything_expanded(raw: Raw) -> None:
    """Each member that the types let be expanded, of the newest objects of each list."""
    for name in LISTS:
        if kind := load()["objects"].get(OBJECT_OF_LIST[name]):
            for member in expandable(next(each for each in kind if "Deleted" not in each)):
                raw.get(f"/v1/{name}", limit=20, expand=[f"data.{member}"])


def expandable(name: str, before: str = "", depth: int = 0) -> Iterator[str]:
    """Members that are an id or an object, and lists that are shown on request."""
    for member, kind in load()["types"][name].items():
        forms = kind.get("any", [kind]) if isinstance(kind, dict) else [kind]
        hashes = [form["ref"] for form in forms if isinstance(form, dict) and "ref" in form]
        path = before + member.rstrip("?")
        if ("string" in forms and hashes) or (member.endswith("?") and any("page" in form for form in forms if isinstance(form, dict))):
            yield path
        elif depth < EXPAND_DEPTH and path not in OTHER_BRANCHES:
            for each in hashes:
                yield from expandable(each, f"{path}.", depth + 1)


# Hashes of ways to pay that the sandbox doesn't have, an error's copies of objects, and Level 3 data: not followed.
OTHER_BRANCHES = frozenset(
    [f"payment_method_details.{name}" for name in ("bancontact", "ideal", "sofort")] + ["last_payment_error", "amount_details"]
)
