"""What wants a person today, and what the doctor says, which is looked at aside: it takes seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE, INGEST_SERVICE
from atlas_contracts.model import iso_utc
from atlas_kit.process.logs import get_logger
from atlas_kit.process.settings import ConfigurationError
from atlas_operator.client import Operator
from atlas_operator.desk.ports import Row, Today
from atlas_operator.doctor.examination import reports
from atlas_operator.doctor.finding import Finding
from atlas_operator.doctor.patient import examine
from atlas_operator.errors import CallFailed, NoTarget
from atlas_operator.target import Target

log = get_logger()

OLD_SECONDS = 60.0
"""A look older than this is renewed when somebody opens the page."""
NOT_LOOKED_AT = "not looked at"
"""The doctor says so of an area whose address the desk was not given: nothing that a support person can use."""


class DoctorsRounds:
    """The doctor's findings, as of the last look. A page never waits for one."""

    def __init__(self, look: Callable[[], list[Finding]], clock: Callable[[], float] = time.monotonic) -> None:
        self._look, self._clock = look, clock
        self._lock = threading.Lock()
        self._looking = False
        self._ended: float | None = None
        self._findings: tuple[Row, ...] = ()
        self._at: str | None = None

    def findings(self) -> tuple[tuple[Row, ...], str | None]:
        """Warnings and errors, and when that look ended; starts another look where it is old."""
        with self._lock:
            old = self._ended is None or self._clock() - self._ended > OLD_SECONDS
            if old and not self._looking:
                self._looking = True
                threading.Thread(target=self._go, name="doctor", daemon=True).start()
            return self._findings, self._at

    def _go(self) -> None:
        try:
            found = tuple(
                asdict(finding)
                for finding in self._look()
                if finding.level != "ok" and NOT_LOOKED_AT not in finding.what
            )
        except (NoTarget, CallFailed, ConfigurationError, OSError) as error:
            found = (asdict(Finding("doctor", "error", f"could not look: {type(error).__name__}", "./atlas doctor")),)
        except Exception:
            log.exception("desk.doctor_failed")
            found = (asdict(Finding("doctor", "error", "could not look", "The desk's log tells why.")),)
        with self._lock:
            self._findings, self._at = found, iso_utc(datetime.now(UTC))
            self._ended, self._looking = self._clock(), False


def examination(target: Target) -> Callable[[], list[Finding]]:
    """The doctor's whole examination of this system."""
    return lambda: [finding for report in reports(examine(target)) for finding in report.findings]


def today(operator: Operator, rounds: DoctorsRounds) -> Today:
    """What wants a person. Raises CallFailed where entitlements does not answer; without the others it is shown."""
    reviews = operator.get(ENTITLEMENTS_SERVICE, "/operator/reviews")
    support = operator.get(ENTITLEMENTS_SERVICE, "/operator/support")
    waiting = operator.get(ENTITLEMENTS_SERVICE, "/operator/waiting-revokes")
    unread: list[str] = []
    parked = _or_nothing(operator, "/operator/parked", [], "Parked events can't be read now.", unread)
    pull = _or_nothing(operator, "/operator/pull", {}, "The last pull can't be read now.", unread)
    findings, looked_at = rounds.findings()
    return Today(
        parked=tuple(parked),
        refused=tuple(reviews["refused"]),
        second_payments=tuple(support["secondPayments"]),
        fraud_warnings=tuple(reviews["fraudWarnings"]),
        waiting_revokes=tuple(waiting["revokes"]),
        findings=findings,
        looked_at=looked_at,
        pull=pull,
        audit=support["audit"],
        unread=tuple(unread),
    )


def _or_nothing(operator: Operator, path: str, nothing: Any, sentence: str, unread: list[str]) -> Any:
    try:
        return operator.get(INGEST_SERVICE, path)
    except (CallFailed, NoTarget) as error:
        log.warning("desk.unread", path=path, error=str(error))
        unread.append(sentence)
        return nothing
