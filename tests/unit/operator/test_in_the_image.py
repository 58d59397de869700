"""What is otherwise where the operator's image runs: its user has no name, and no service's code is there."""

from __future__ import annotations

import getpass
from typing import Any

import pytest
import typer

from atlas_kit.storage import migrations
from atlas_operator.doctor import databases
from atlas_operator.doctor.finding import Report
from atlas_operator.names import operators_name


@pytest.mark.parametrize("problem", [KeyError("getpwuid(): uid not found: 10006"), OSError("No username set")])
def test_without_a_name_nothing_is_granted_and_how_to_give_one_is_said(
    problem: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nameless() -> str:
        raise problem

    monkeypatch.setattr(getpass, "getuser", nameless)
    with pytest.raises(typer.Exit) as refused:
        operators_name()
    assert refused.value.exit_code == 2
    assert "Set USER" in capsys.readouterr().err


class NoConnection:
    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, _statement: str) -> Any:
        return self

    def fetchone(self) -> None:
        return None


@pytest.mark.parametrize(("at", "level", "says"), [("20261126_0002_offers", "ok", "migrated to 20261126_0002_offers"), (None, "error", "never migrated")])
def test_without_the_services_code_the_doctor_tells_how_far_a_database_is_migrated(
    at: str | None, level: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "current", lambda _dsn: at)
    monkeypatch.setattr(databases.psycopg, "connect", lambda *_, **__: NoConnection())
    report = Report("databases")
    databases._database(report, "a_service_that_is_not_installed", "postgresql://x")
    assert [(finding.level, says in finding.what) for finding in report.findings] == [(level, True)]
