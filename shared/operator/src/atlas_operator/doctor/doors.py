"""Checks what the services have counted: refused webhooks, failed pulls, payments for review, fraud warnings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE, INGEST_SERVICE
from atlas_operator.client import Operator
from atlas_operator.doctor.causes import NATS, POSTGRES
from atlas_operator.doctor.finding import Report
from atlas_operator.doctor.services import ask
from atlas_operator.doctor.signs import Signs

# Scheduled pulls run every 5 minutes.
LATE_SECONDS = 3600
FEW = 0.01
"""Below this share of webhooks, wrong signatures come from strangers who found the address, not from a wrong secret."""
MOST = 0.5
SHOWN = 20
DASHBOARD = "In Stripe's dashboard, under Developers → Webhooks, "
# What each refusal usually comes from.
REMEDIES = {
    "wrongSignature": (
        "a wrong signature",
        DASHBOARD
        + "reveal the endpoint's signing secret and set STRIPE_WEBHOOK_SECRET to it (of several endpoints, all"
        " their secrets, comma-separated); a proxy in between must not change the body.",
    ),
    "outsideTolerance": (
        "a signature too old or too new",
        "Synchronize the clock (chrony, systemd-timesyncd); what Stripe sent stays good: it signs each retry anew.",
    ),
    "unsigned": (
        "no signature",
        "A proxy in between must pass the header Stripe-Signature; else only Stripe should reach this address.",
    ),
    "thin": (
        "the form of thin events, which carry no object and can't be read",
        DASHBOARD + "make the destination anew with the payload style Snapshot and the events of"
        " docs/configuration.md, and delete the one with thin events.",
    ),
}
PULL_REMEDIES = {
    "stripe_permission": "In Stripe's dashboard, under Developers → API keys → the key → Edit, set Events to Read.",
    "stripe_key_refused": "Set STRIPE_SECRET_KEY to a valid key and restart webhook-ingest.",
}
PASSING = frozenset({"stripe_unavailable", "stripe_rate_limited", "broker_unavailable", "service_unavailable"})
"""Reasons that the next pull, a minute later, usually puts right."""


def look(operator: Operator, known: Collection[str], signs: Signs) -> list[Report]:
    """One report on webhooks and pulls, one on payments; of the services that can be asked."""
    webhooks, payments = Report("operator"), Report("operator")
    ledger = f"{POSTGRES} of {ENTITLEMENTS_SERVICE}"
    for report, service, path, what, needs, read in (
        (webhooks, INGEST_SERVICE, "/operator/webhook-shares", "the share of bad webhooks was", NATS, _shares),
        (webhooks, INGEST_SERVICE, "/operator/pull", "the last pull was", NATS, _pull),
        (payments, ENTITLEMENTS_SERVICE, "/operator/reviews", "payments to be reviewed were", ledger, _reviews),
    ):
        told = ask(report, operator, signs, service, path, what, needs) if service in known else None
        if told is not None:
            _read(report, told, read, what, service)
    return [webhooks, payments]


def _read(report: Report, told: Any, read: Callable[[Report, Any], None], what: str, service: str) -> None:
    try:
        read(report, told)
    except (TypeError, ValueError, LookupError, AttributeError):
        report.not_made(what, f"{service}'s answer can't be read", "Are service and ./atlas of one release?")


def _shares(report: Report, told: Mapping[str, Any]) -> None:
    received = int(told["received"])
    counts = {kind: int(told[kind]) for kind in REMEDIES}
    for kind, (had, remedy) in REMEDIES.items():
        share = counts[kind] / received if received else 0.0
        if share >= FEW:
            say = report.error if share >= MOST else report.warning
            say(f"{counts[kind]} of the last hour's {received} webhooks ({share:.0%}) had {had}", remedy)
    bad = sum(counts.values())
    if received and all(count / received < FEW for count in counts.values()):
        few = f", and {bad} (fewer than 1 in 100) were not" if bad else ""
        report.ok(f"the last hour's webhooks were well signed ({received - bad}){few}")
    elif not received:
        report.ok("no webhook came in the last hour")
    if not told["accountKnown"]:
        report.warning(
            "which Stripe account is ours is not known: events that name an account are ignored",
            "Set STRIPE_ACCOUNT_ID (acct_…), or give the key the permission to read its account.",
        )


def _pull(report: Report, told: Mapping[str, Any]) -> None:
    failed, age = told["failed"], told["ageSeconds"]
    if failed:
        reason = str(failed["reason"])
        say = report.warning if reason in PASSING else report.error
        remedy = PULL_REMEDIES.get(reason, "./atlas pull tries again; ./atlas logs webhook-ingest tells more.")
        say(f"the last pull failed: {failed['message']} ({reason})", remedy)
    if age is None:
        report.warning(
            "Stripe's events have never been read to their end: a lost webhook stays lost",
            "./atlas pull reads them now; BILLING_PULL_INTERVAL_SECONDS=300 does it all the time.",
        )
    elif age > LATE_SECONDS:
        report.warning(
            f"Stripe's events were last read {age / 3600:.1f} h ago",
            "./atlas pull reads them now; BILLING_PULL_INTERVAL_SECONDS=300 does it all the time.",
        )
    elif not failed:
        report.ok(f"Stripe's events were read {age:.0f} s ago")


def _reviews(report: Report, told: Mapping[str, Any]) -> None:
    # One that isn't actionable any more was refunded or disputed since: there is nothing left to prevent.
    refused, warnings = told["refused"], [row for row in told["fraudWarnings"] if row.get("actionable") is not False]
    for row in refused[:SHOWN]:
        payment = row.get("checkoutSessionId") or row.get("paymentIntentId")
        report.error(
            f"{row.get('userId') or 'somebody unknown'} paid and is not Pro through {payment}: {row.get('reason')}",
            f"./atlas explain {payment} tells all; refund the payment at Stripe, or ./atlas grant its buyer.",
        )
    for row in warnings[:SHOWN]:
        payment = row.get("paymentIntentId") or row.get("chargeId")
        report.warning(
            f"the card network warns of fraud: {payment} of {row.get('userId') or 'somebody unknown'}",
            "Look at it in Stripe's dashboard, under Radar; a refund now prevents most disputes.",
        )
    for rows, of_what in ((refused, "payments that were refused"), (warnings, "warnings of fraud")):
        if len(rows) > SHOWN:
            report.warning(f"and {len(rows) - SHOWN} more {of_what}", "./atlas audit lists every user.")
    if not refused:
        report.ok("no payment waits for a review")
    if not warnings:
        report.ok("no card network warns of fraud")
