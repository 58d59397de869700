"""docs/runbook.md has a row for every reason for which an event is parked."""

from __future__ import annotations

import re
from pathlib import Path

from atlas_contracts.contradiction import CHANGED_CONTENT
from atlas_contracts.parked import COPIED_EVENT

ROOT = Path(__file__).parents[2]
SOURCES = ("shared/stripe/src", "services/webhook-ingest/src", "services/entitlements/src")
REASON = re.compile(r"\b(?:Unmappable|Park)\(\s*\"(\w+)\"")


def test_each_reason_is_told_with_what_to_do() -> None:
    reasons = {found for source in SOURCES for file in (ROOT / source).rglob("*.py") for found in REASON.findall(file.read_text())}
    assert len(reasons) >= 6
    rows = re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert reasons | {CHANGED_CONTENT, COPIED_EVENT} == set(rows)
