"""The whole examination: every area, as `./atlas doctor` and the support desk show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from atlas_operator.client import Operator
from atlas_operator.doctor import broker, databases, doors, provider, retention, services, states
from atlas_operator.doctor.causes import NATS, POSTGRES, SANDBOX
from atlas_operator.doctor.finding import AFTERWARDS, CAUSE, Report
from atlas_operator.doctor.patient import DATABASES, Patient
from atlas_operator.doctor.signs import Signs, asked_of
from atlas_operator.held import delivery_of, held_back

ANSWER_SECONDS = 30.0
"""How long a service may take to answer one question; the longest compares a bucket of thousands of states."""


def reports(patient: Patient) -> list[Report]:
    """Every area at once: none waits for another, and the slowest is Stripe. First of all the causes, if any."""
    operator = Operator(patient.target, ANSWER_SECONDS)
    asked, addresses = asked_of(patient)
    with ThreadPoolExecutor(len(asked)) as watch:
        signs = Signs(watch, asked, addresses)
        areas: list[Callable[[], list[Report]]] = [
            lambda: [services.readiness(patient.target, signs)],
            lambda: [services.operator_access(operator, patient.target, signs)],
            lambda: doors.look(operator, patient.target.urls, signs),
            lambda: [_broker(patient, signs)],
            lambda: [states.look(operator, patient.target.urls, signs)],
            lambda: [retention.ignored(patient.ignored)],
            lambda: [_databases(patient, signs)],
            lambda: [_stripe(patient, signs)],
            lambda: [_sandbox(patient, signs)],
        ]
        with ThreadPoolExecutor(len(areas)) as pool:
            found = [report for reports in pool.map(lambda look: look(), areas) for report in reports]
        return _causes_first([services.causes(patient.target, signs), *found])


def _causes_first(found: Iterable[Report]) -> list[Report]:
    """The reports, with what explains the rest in front."""
    told = list(found)
    causes = [finding for report in told for finding in report.findings if finding.area == CAUSE]
    rest = [Report(report.area, [each for each in report.findings if each.area != CAUSE]) for report in told]
    return [Report(CAUSE, causes), *rest]


def _broker(patient: Patient, signs: Signs) -> Report:
    if not patient.nats_url:
        return _left_out("broker", "Set NATS_URL, with an operator's credentials.")
    if why := signs.in_the_way(NATS):
        return _not_made("broker", "streams and consumers were", why)
    return broker.look(patient.nats_url, patient.nats_monitor_url, patient.replicas, patient.streams)


def _databases(patient: Patient, signs: Signs) -> Report:
    away = {name: why for name in patient.databases if (why := signs.in_the_way(f"{POSTGRES} of {name}"))}
    report = databases.look({name: dsn for name, dsn in patient.databases.items() if name not in away})
    for why in dict.fromkeys(away.values()):
        report.not_made("databases were", why, AFTERWARDS)
    for name, variable in DATABASES.items():
        if name not in patient.databases:
            report.warning(f"{name}: not looked at", f"Set {variable} to include it.")
    return report


def _stripe(patient: Patient, signs: Signs) -> Report:
    if why := signs.in_the_way(SANDBOX):
        return _not_made("stripe", "price, portal and endpoint were", why)
    return provider.look(patient)


def _sandbox(patient: Patient, signs: Signs) -> Report:
    """Only where the local stack has one: a switch that somebody left on explains why no webhook comes."""
    report = Report("sandbox")
    if patient.sandbox_url and not signs.in_the_way(SANDBOX):
        url = patient.sandbox_url
        if sentence := held_back(delivery_of(url)):
            report.warning(sentence, f"Choose Deliver in its control room, {url}/")
    return report


def _not_made(area: str, what: str, why: str) -> Report:
    report = Report(area)
    report.not_made(what, why, AFTERWARDS)
    return report


def _left_out(area: str, remedy: str) -> Report:
    report = Report(area)
    report.warning("not looked at", remedy)
    return report
