"""Checks whether the services answer and are ready."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, INGEST_SERVICE
from atlas_operator.client import Operator
from atlas_operator.doctor.finding import Report
from atlas_operator.errors import CallFailed, NoTarget
from atlas_operator.target import Target
from atlas_operator.terminal.words import counted

TIMEOUT_SECONDS = 5.0
OUTBOX_SECONDS = 60.0
TRUST = (
    "Give the operator's INTERNAL_SIGNING_KEY, whose public half is in the services' INTERNAL_TRUSTED_KEYS; "
    "start the service."
)
REMEDY = "Look at its log: ./atlas logs {service} (in production: your platform's)."


def readiness(target: Target) -> Report:
    """Each service's `/readyz`."""
    report = Report("services")
    for service, url in {**{name: target.url(name) for name in target.urls}, **target.beside}.items():
        failing = _failing(url)
        if failing is None:
            report.ok(f"{service} is ready")
        else:
            report.error(f"{service} is not ready: {failing}", REMEDY.format(service=service))
    return report


def _failing(url: str) -> str | None:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=TIMEOUT_SECONDS):  # noqa: S310 - our own address
            return None
    except urllib.error.HTTPError as error:
        try:
            return ", ".join(json.load(error)["failing"])
        except (ValueError, KeyError, TypeError):
            return f"it answers {error.code}"
    except (OSError, ValueError) as error:
        return f"no answer ({getattr(error, 'reason', error)})"


def operator_access(operator: Operator, target: Target) -> Report:
    """Whether the services trust the operator's key, and what is parked."""
    report = Report("operator")
    for service in (ENTITLEMENTS_SERVICE, CHECKOUT_SERVICE, INGEST_SERVICE):
        if service not in target.urls:
            report.warning(f"{service} was not looked at", "Name its address in the environment.")
    if ENTITLEMENTS_SERVICE in target.urls:
        _entitlements(report, operator)
    if INGEST_SERVICE not in target.urls:
        return report
    try:
        parked = operator.get(INGEST_SERVICE, "/operator/parked")
    except (CallFailed, NoTarget) as error:
        report.error(str(error), TRUST)
        return report
    report.ok("the services accept the operator's token")
    if parked:
        report.warning(f"{counted(len(parked), 'event')} parked", "./atlas parked list shows them with their reasons.")
    else:
        report.ok("nothing is parked")
    return report


def _entitlements(report: Report, operator: Operator) -> None:
    try:
        figures = operator.get(ENTITLEMENTS_SERVICE, "/operator/state")
    except CallFailed as error:
        report.error(str(error), TRUST)
        return
    age = float(figures.get("outboxAgeSeconds") or 0)
    report.check(
        age <= OUTBOX_SECONDS,
        f"the outbox is drained ({figures.get('outboxBacklog', 0)} waiting)",
        f"{counted(int(figures.get('outboxBacklog') or 0), 'change')} not sent yet, the oldest for {age:.0f} s",
        "Is the broker up? ./atlas logs entitlements tells why they are not sent.",
    )
