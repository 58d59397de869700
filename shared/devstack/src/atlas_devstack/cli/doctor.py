"""`./atlas doctor`: is everything as it should be?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from atlas_devstack.operator.client import Operator
from atlas_devstack.operator.doctor import broker, databases, provider, services
from atlas_devstack.operator.doctor.finding import Finding, Report
from atlas_devstack.operator.doctor.patient import Patient, examine
from atlas_devstack.operator.target import find

from .console import errors, say, say_json

MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False) -> None:
    """Check services, broker, streams, databases, Stripe and the clock; exit code 1 where something is wrong."""
    with errors.status("Looking …"):
        findings = [finding for report in _reports(examine(find())) for finding in report.findings]
    if as_json:
        say_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    raise typer.Exit(1 if any(finding.level == "error" for finding in findings) else 0)


def _reports(patient: Patient) -> list[Report]:
    reports = [
        services.readiness(patient.target),
        services.operator_access(Operator(patient.target), patient.target),
    ]
    if patient.nats_url:
        reports.append(broker.look(patient.nats_url, patient.nats_monitor_url, patient.replicas))
    else:
        reports.append(_left_out("broker", "Set NATS_URL, with an operator's credentials."))
    if patient.databases:
        reports.append(databases.look(patient.databases))
    else:
        reports.append(_left_out("databases", "Set ENTITLEMENTS_DATABASE_URL and CHECKOUT_DATABASE_URL."))
    reports.append(provider.look(patient))
    return reports


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
