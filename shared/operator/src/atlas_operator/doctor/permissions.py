"""What the Stripe key may do, against what the services do with it. Nothing is ever made or changed by looking.

A permission to read is tried by a list of one; one to write by a change of an object that doesn't exist, with
parameters that Stripe must refuse. Stripe looks at the permission first: 403 says that it is lacking, 400 and 404
that it isn't.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import stripe

from atlas_operator.doctor.finding import Report

ALLOWED = frozenset({HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND})
EDIT = "In Stripe's dashboard, under Developers → API keys → the key → Edit, set {label} to {level}."
_NAMED = re.compile(r"Enabling ([\w -]{1,60}) (?:Read|Write) \('")
"""How Stripe's refusal names the row of its dashboard; older wordings name none."""
ONE: Mapping[str, Any] = {"limit": 1}
SENSELESS: Mapping[str, Any] = {"metadata": "atlas doctor"}
"""Metadata is an object: Stripe refuses a text."""


@dataclass(frozen=True)
class Need:
    """A call that the services make, and the permission for it as Stripe's dashboard names it.

    `of_doctor`: only this doctor or another operator's command needs it, so that its lack costs no money.
    """

    label: str
    level: str
    path: str
    purpose: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    of_doctor: bool = False

    @property
    def method(self) -> str:
        return "get" if self.level == "Read" else "post"


def _read(label: str, path: str, purpose: str, *, of_doctor: bool = False) -> Need:
    return Need(label, "Read", path, purpose, ONE, of_doctor)


NEEDS = (
    _read("Events", "events", "pull reads what webhooks did not bring"),
    _read("Customers", "customers", "a buyer's customer is searched"),
    _read("Checkout Sessions", "checkout/sessions", "confirm and restore read sessions"),
    _read("PaymentIntents", "payment_intents", "a session is read with its payment"),
    _read("Charges and Refunds", "charges", "a payment is read with its charge"),
    _read("Charges and Refunds", "refunds", "restore and sweep read refunds"),
    _read("Balance Transaction Sources", "balance_transactions", "a payment is dated by when the money moved"),
    _read("Disputes", "disputes", "restore and sweep read disputes"),
    _read("Prices", "prices", "checkout reads what Pro costs in each currency"),
    _read("Products", "products", "doctor looks whether Pro's product is active", of_doctor=True),
    _read("Invoices", "invoices", "explain finds whose an invoice is", of_doctor=True),
    _read("Webhook Endpoints", "webhook_endpoints", "doctor looks at the webhook endpoint", of_doctor=True),
    _read("Customer Portal", "billing_portal/configurations", "doctor looks at the portal", of_doctor=True),
    Need("Customers", "Write", "customers/cus_atlas_doctor", "each buyer gets a customer", SENSELESS),
    Need("Checkout Sessions", "Write", "checkout/sessions/cs_test_atlas_doctor", "checkouts are opened", SENSELESS),
    Need("PaymentIntents", "Write", "payment_intents/pi_atlas_doctor", "forget erases the user's id", SENSELESS),
    Need("Charges and Refunds", "Write", "charges/ch_atlas_doctor", "forget erases the user's id", SENSELESS),
    Need(
        "Customer Portal", "Write", "billing_portal/configurations/bpc_atlas_doctor", "the portal is set up", SENSELESS
    ),
    Need(
        "Customer Portal",
        "Write",
        "billing_portal/sessions",
        "buyers see their invoices",
        {"customer": "cus_atlas_doctor"},
    ),
)


def look(report: Report, client: stripe.StripeClient, pool: Executor) -> None:
    """Try every call, several at a time; one finding for each permission that is missing."""
    answers = list(pool.map(lambda need: _tried(client, need), NEEDS))
    lacking: dict[tuple[str, str], list[Need]] = {}
    for need, (status, label) in zip(NEEDS, answers, strict=True):
        if status == HTTPStatus.FORBIDDEN:
            lacking.setdefault((label or need.label, need.level), []).append(need)
    for (label, level), needs in lacking.items():
        purposes = "; ".join(dict.fromkeys(need.purpose for need in needs))
        what = f"the key lacks the permission {label}: {level} ({purposes})"
        say = report.warning if all(need.of_doctor for need in needs) else report.error
        say(what, EDIT.format(label=label, level=level))
    untried = [need for need, (status, _) in zip(NEEDS, answers, strict=True) if not _known(status)]
    if untried:
        names = ", ".join(dict.fromkeys(f"{need.label}: {need.level}" for need in untried))
        report.warning(
            f"whether the key has these permissions could not be tried: {names}", "Run ./atlas doctor again."
        )
    if not lacking and not untried:
        report.ok(f"the key has every permission that is needed ({len(NEEDS)} calls tried)")


def _known(status: int | None) -> bool:
    return status == HTTPStatus.FORBIDDEN or status in ALLOWED


def _tried(client: stripe.StripeClient, need: Need) -> tuple[int | None, str | None]:
    """Stripe's status (None: no answer), and its own name for the permission where it refuses and tells."""
    try:
        client.raw_request(need.method, f"/v1/{need.path}", **need.parameters)
    except stripe.StripeError as error:
        return error.http_status, permission_named(error)
    return HTTPStatus.OK, None


def permission_named(error: stripe.StripeError) -> str | None:
    """The permission whose lack Stripe's refusal tells, as its dashboard calls it; None where it names none."""
    named = _NAMED.search(str(error.user_message or ""))
    return named[1] if named else None
