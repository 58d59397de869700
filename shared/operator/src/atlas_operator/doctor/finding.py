"""What the doctor says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Level = Literal["ok", "warning", "error"]
CAUSE = "cause"
"""The area of what explains other findings; it comes first."""
AFTERWARDS = "Mend that first."


@dataclass(frozen=True)
class Finding:
    """The result of one check. A `warning` should be looked at; an `error` loses money or delays a purchase."""

    area: str
    level: Level
    what: str
    remedy: str = ""


@dataclass
class Report:
    """The findings of one area, in the order in which they were made."""

    area: str
    findings: list[Finding] = field(default_factory=list)

    def ok(self, what: str) -> None:
        """Something is as it should be."""
        self.findings.append(Finding(self.area, "ok", what))

    def warning(self, what: str, remedy: str) -> None:
        """Something wants attention."""
        self.findings.append(Finding(self.area, "warning", what, remedy))

    def error(self, what: str, remedy: str) -> None:
        """Something is wrong."""
        self.findings.append(Finding(self.area, "error", what, remedy))

    def cause(self, what: str, remedy: str) -> None:
        """Something is wrong that explains what else is found: it is told before everything else."""
        self.findings.append(Finding(CAUSE, "error", what, remedy))

    def not_made(self, what: str, why: str, remedy: str) -> None:
        """A check could not be made."""
        self.warning(f"{what} not looked at: {why}", remedy)

    def check(self, holds: bool, what: str, otherwise: str, remedy: str) -> bool:
        """Record `what` as ok where the condition holds, else `otherwise` as an error."""
        if holds:
            self.ok(what)
        else:
            self.error(otherwise, remedy)
        return holds
