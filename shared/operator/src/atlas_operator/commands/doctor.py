"""`./atlas doctor`: is everything as it should be?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from atlas_kit.process.settings import ConfigurationError
from atlas_operator.doctor import retention
from atlas_operator.doctor.examination import reports
from atlas_operator.doctor.finding import CAUSE, Finding
from atlas_operator.doctor.patient import Patient, examine
from atlas_operator.target import find
from atlas_operator.terminal.console import NOTE_MARK, OK_MARK, WRONG_MARK, errors, misunderstood, say, say_json

COLUMNS = 80
MARKS = {"ok": OK_MARK, "warning": NOTE_MARK, "error": WRONG_MARK}


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
        mended = [retention.mend(patient.keepers, patient.streams, patient.replicas)] if fix else []
        findings = [finding for report in (*mended, *reports(patient)) for finding in report.findings]
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


def _show(findings: list[Finding]) -> None:
    """Causes stand first, with nothing above them; a remedy stands in the finding's line where both fit into one."""
    area = ""
    for finding in findings:
        first = finding.area == CAUSE
        if finding.area != area and not first:
            say((finding.area, "bold"))
        area = finding.area
        mark = MARKS[finding.level]
        indent = "" if first else "  "
        remedy = f"→ {finding.remedy}" if finding.remedy else ""
        short = len(indent) + 3 + len(finding.what) + len(remedy) <= COLUMNS
        what = (finding.what, "bold") if first else finding.what
        say(indent, mark, " ", what, f" {remedy}" if remedy and short else "")
        if remedy and not short:
            say(f"{indent}    {remedy}")
