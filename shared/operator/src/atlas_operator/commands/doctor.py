"""`./atlas doctor`: is everything as it should be?"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Annotated

import typer

from atlas_kit.process.settings import ConfigurationError
from atlas_operator.client import Operator
from atlas_operator.doctor import broker, databases, doors, provider, retention, services, states
from atlas_operator.doctor.finding import Finding, Report
from atlas_operator.doctor.patient import DATABASES, Patient, examine
from atlas_operator.target import find
from atlas_operator.terminal.console import errors, misunderstood, say, say_json

MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix", help="First give the streams their retention and readers their mirrors (by NATS_ADMIN_URL)."
        ),
    ] = False,
) -> None:
    """Check services, broker, streams, databases, Stripe and the clock; exit code 1 where something is wrong."""
    with errors.status("Looking …"):
        patient = _patient()
        mended = [retention.mend(patient.nats_admin_url, patient.streams, patient.replicas)] if fix else []
        findings = [finding for report in (*mended, *_reports(patient)) for finding in report.findings]
    if as_json:
        say_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    raise typer.Exit(1 if any(finding.level == "error" for finding in findings) else 0)


def _patient() -> Patient:
    try:
        return examine(find())
    except ConfigurationError as error:
        misunderstood(f"{'; '.join(str(error).splitlines())}.")


def _reports(patient: Patient) -> list[Report]:
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


def _left_out(area: str, remedy: str) -> Report:
    report = Report(area)
    report.warning("not looked at", remedy)
    return report


def _show(findings: list[Finding]) -> None:
    area = ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            say((area, "bold"))
        say("  ", MARKS[finding.level], f" {finding.what}")
        if finding.remedy:
            say((f"      → {finding.remedy}", "dim"))
