"""The whole examination: every area, as `./atlas doctor` and the support desk show it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from atlas_operator.client import Operator
from atlas_operator.doctor import broker, databases, doors, provider, services, states
from atlas_operator.doctor.finding import Report
from atlas_operator.doctor.patient import DATABASES, Patient
from atlas_operator.held import delivery_of, held_back


def reports(patient: Patient) -> list[Report]:
    """Every area at once: none waits for another, and the slowest is Stripe."""
    operator = Operator(patient.target)
    areas: list[Callable[[], list[Report]]] = [
        lambda: [services.readiness(patient.target)],
        lambda: [services.operator_access(operator, patient.target)],
        lambda: doors.look(operator, patient.target.urls),
        lambda: [_broker(patient)],
        lambda: [states.look(operator, patient.target.urls)],
        lambda: [_databases(patient)],
        lambda: [provider.look(patient)],
        lambda: [_sandbox(patient)],
    ]
    with ThreadPoolExecutor(len(areas)) as pool:
        return [report for reports in pool.map(lambda look: look(), areas) for report in reports]


def _broker(patient: Patient) -> Report:
    if patient.nats_url:
        return broker.look(patient.nats_url, patient.nats_monitor_url, patient.replicas, patient.streams)
    return _left_out("broker", "Set NATS_URL, with an operator's credentials.")


def _databases(patient: Patient) -> Report:
    report = databases.look(patient.databases)
    for name, variable in DATABASES.items():
        if name not in patient.databases:
            report.warning(f"{name}: not looked at", f"Set {variable} to include it.")
    return report


def _sandbox(patient: Patient) -> Report:
    """Only where the local stack has one: a switch that somebody left on explains why no webhook comes."""
    report = Report("sandbox")
    url = patient.stripe_api_base if patient.target.local else None
    if sentence := held_back(delivery_of(url)):
        report.warning(sentence, f"Choose Deliver in its control room, {url}/")
    return report


def _left_out(area: str, remedy: str) -> Report:
    report = Report(area)
    report.warning("not looked at", remedy)
    return report
