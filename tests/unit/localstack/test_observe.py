"""`./atlas up --observe` where there is no Prometheus."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from atlas_localstack.cli import app
from atlas_localstack.servers import prometheus


def test_without_prometheus_it_says_how_to_get_it_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home, nowhere = tmp_path / "home", tmp_path / "nowhere"
    nowhere.mkdir()
    monkeypatch.setenv("ATLAS_HOME", str(home))
    monkeypatch.setenv("PATH", str(nowhere))
    monkeypatch.setattr(sys, "argv", ["atlas", "up", "--observe", "--detach"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    said = " ".join(capfd.readouterr().err.split())
    assert ended.value.code == 1
    assert prometheus.MISSING in said and prometheus.REMEDY in said
    assert not home.exists()


def test_a_program_of_that_name_is_prometheus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "prometheus"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert prometheus.is_installed()
