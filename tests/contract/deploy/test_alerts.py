"""The alerts as files: every rule tested by Prometheus' own tool, each with its section in the runbook and its place in the docs."""

from __future__ import annotations

import re
import subprocess

from support import prometheus
from support.prometheus import OBSERVABILITY
from support.stack import WORKSPACE

RULES = (OBSERVABILITY / "alerts.yml").read_text()
TESTS = ("alerts_test.yml", "alerts_days_test.yml")
ALERTS = re.findall(r"- alert: (\w+)", RULES)


def test_prometheus_own_tool_finds_every_rule_silent_when_all_is_well_and_firing_when_it_is_not() -> None:
    prometheus.needed()
    done = subprocess.run(
        ["promtool", "test", "rules", *TESTS], cwd=OBSERVABILITY, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_that_sees_it_silent_and_firing() -> None:
    blocks = [block for name in TESTS for block in (OBSERVABILITY / name).read_text().split("  - name: ")]
    for alert in ALERTS:
        [block] = [block for block in blocks if block.startswith(f"{alert}\n")]
        assert "exp_alerts: []" in block
        assert "exp_labels" in block


def test_every_alert_links_to_a_section_of_the_runbook_that_says_what_heals() -> None:
    runbook = (WORKSPACE / "docs" / "runbook.md").read_text()
    for alert in ALERTS:
        assert f"runbook_url: docs/runbook.md#{alert.lower()}" in RULES
        [section] = re.findall(rf"^## {alert}\n(.*?)(?=^## |\Z)", runbook, re.MULTILINE | re.DOTALL)
        assert "\n1. " in section
        assert "\nHeals: " in section


def test_every_alert_stands_in_the_docs_and_the_docs_name_no_other() -> None:
    told = (WORKSPACE / "docs" / "observability.md").read_text()
    assert set(re.findall(r"\bAtlas[A-Z]\w+", told)) == set(ALERTS)
