"""Whether the services answer, are ready and trust the operator's key, and what is wrong by itself."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, INGEST_SERVICE
from atlas_operator.client import Operator
from atlas_operator.doctor.causes import BY_ITSELF, NATS, POSTGRES, Cause
from atlas_operator.doctor.finding import AFTERWARDS, Report
from atlas_operator.doctor.signs import Signs
from atlas_operator.errors import CallFailed, NoTarget
from atlas_operator.target import Target
from atlas_operator.terminal.words import counted, listed

OUTBOX_SECONDS = 60.0
UNAUTHORIZED = 401
TRUST = (
    "INTERNAL_SIGNING_KEY has to be the operator's, with its public half in the services' INTERNAL_TRUSTED_KEYS; and "
    "both clocks right."
)
LOCALLY = "./atlas status says what becomes of it, ./atlas logs {part} why."
ELSEWHERE = "Look at its log (your platform's), and at its address: {where}."
AGAIN = "Run ./atlas doctor again; ./atlas logs {service} tells more."
ASKED_FOR_TRUST = (ENTITLEMENTS_SERVICE, CHECKOUT_SERVICE, INGEST_SERVICE)
ADDRESSES = {NATS: "NATS_URL", POSTGRES: "ENTITLEMENTS_DATABASE_URL, CHECKOUT_DATABASE_URL"}
"""The variables that tell where servers are; a service's is in its name."""


def causes(target: Target, signs: Signs) -> Report:
    """What is wrong by itself, each with who waits for it."""
    report = Report("services")
    for cause in signs.causes:
        report.cause(cause.sentence, _remedy(cause, target))
    return report


def _remedy(cause: Cause, target: Target) -> str:
    part = cause.part.partition(" of ")[0]
    if target.local:
        return LOCALLY.format(part=part)
    why = "" if cause.pulse.failing else f"{cause.pulse.wrong[:1].upper()}{cause.pulse.wrong[1:]}. "
    return why + ELSEWHERE.format(where=ADDRESSES.get(part, f"{part.replace('-', '_').upper()}_URL"))


def readiness(target: Target, signs: Signs) -> Report:
    """Each service: ready, or what it waits for. Of one that is wrong by itself, the causes tell."""
    report = Report("services")
    by_itself = {cause.part for cause in signs.causes}
    waiting = [each for cause in signs.causes for each in cause.waiting]
    for service in (*target.urls, *target.beside):
        for each in waiting:
            if each.part == service:
                report.error(each.sentence, BY_ITSELF)
        if service not in by_itself and service not in {each.part for each in waiting}:
            report.ok(f"{service} is ready")
    return report


def ask(report: Report, operator: Operator, signs: Signs, service: str, path: str, what: str, *needs: str) -> Any:
    """One answer of a service; None where it can't be asked, with a finding that says so. ``needs``: what it needs."""
    if why := signs.in_the_way(service, *needs):
        report.not_made(what, why, AFTERWARDS)
        return None
    try:
        return operator.get(service, path)
    except CallFailed as error:
        if error.status == UNAUTHORIZED:
            report.not_made(what, f"{service} does not trust this key", AFTERWARDS)
        else:
            report.not_made(what, str(error), AGAIN.format(service=service))
    except NoTarget as error:
        report.not_made(what, str(error), "Name its address in the environment.")
    return None


def operator_access(operator: Operator, target: Target, signs: Signs) -> Report:
    """Whether the services trust the operator's key, what waits in the outbox, and what is parked."""
    report = Report("operator")
    for service in ASKED_FOR_TRUST:
        if service not in target.urls:
            report.warning(f"{service} was not looked at", "Name its address in the environment.")
    _trust(report, operator, target, signs)
    for service, path, what, needs, read in QUESTIONS:
        if service in target.urls:
            told = ask(report, operator, signs, service, path, what, needs)
            if told is not None:
                read(report, told)
    return report


def _trust(report: Report, operator: Operator, target: Target, signs: Signs) -> None:
    """Ask each service what needs nothing but the key: a question without its parameter, which is refused after it."""
    asked = [name for name in ASKED_FOR_TRUST if name in target.urls and not signs.in_the_way(name)]
    with ThreadPoolExecutor(len(ASKED_FOR_TRUST)) as pool:
        statuses = dict(zip(asked, pool.map(lambda name: _status(operator, name), asked), strict=True))
    if refusing := [name for name, status in statuses.items() if status == UNAUTHORIZED]:
        do = "does" if len(refusing) == 1 else "do"
        report.cause(f"{listed(refusing)} {do} not trust this operator's key.", TRUST)
    elif asked:
        report.ok("the services accept the operator's token")


def _status(operator: Operator, service: str) -> int | None:
    try:
        operator.get(service, "/operator/kept")
    except CallFailed as error:
        return error.status
    return None


def _outbox(report: Report, figures: Mapping[str, Any]) -> None:
    age = float(figures.get("outboxAgeSeconds") or 0)
    report.check(
        age <= OUTBOX_SECONDS,
        f"the outbox is drained ({figures.get('outboxBacklog', 0)} waiting)",
        f"{counted(int(figures.get('outboxBacklog') or 0), 'change')} not sent yet, the oldest for {age:.0f} s",
        "Is the broker up? ./atlas logs entitlements tells why they are not sent.",
    )


def _parked(report: Report, parked: list[Any]) -> None:
    if parked:
        report.warning(f"{counted(len(parked), 'event')} parked", "./atlas parked list shows them with their reasons.")
    else:
        report.ok("nothing is parked")


QUESTIONS = (
    (ENTITLEMENTS_SERVICE, "/operator/state", "the outbox was", f"{POSTGRES} of {ENTITLEMENTS_SERVICE}", _outbox),
    (INGEST_SERVICE, "/operator/parked", "parked events were", NATS, _parked),
)
