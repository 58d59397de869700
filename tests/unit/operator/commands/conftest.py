from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.fake_operator import CommandLine, FakeOperator, fake_operator


@pytest.fixture
def fake() -> Iterator[FakeOperator]:
    """Services that answer what a test tells them to."""
    with fake_operator() as running:
        yield running


@pytest.fixture
def atlas(fake: FakeOperator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line, against those services."""
    return CommandLine(monkeypatch, capsys, fake.url)
