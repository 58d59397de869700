"""A line written the short way is the line that the logger writes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from atlas_kit.process import context, logs

TOLD = [
    {"eventId": 'stripe:evt_1:é"\\\n\x00', "stripeType": None, "reason": None},
    {"method": "GET", "route": "/api/x", "status": 200, "ms": 1.25},
    {"flag": True},
    {},
]


@pytest.fixture(autouse=True)
def _configured_for_the_test_alone() -> Iterator[None]:
    root, kept = logging.getLogger(), logs._lines.service
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], logs._lines.service = handlers, kept
    root.setLevel(level)
    structlog.reset_defaults()


def _written(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], dict[str, object]]:
    [text] = capsys.readouterr().out.splitlines()
    told = json.loads(text)
    return list(told), {name: value for name, value in told.items() if name != "timestamp"}


@pytest.mark.parametrize("told", TOLD)
def test_both_ways_write_the_same(capsys: pytest.CaptureFixture[str], told: dict[str, str]) -> None:
    logs.configure("test")
    found = []
    with context.bound("req_1"):
        for write in (logs.get_logger().info, logs.line):
            write("some.event", **told)
            found.append(_written(capsys))
    assert found[0] == found[1]


def test_outside_of_a_request_it_has_a_new_id_and_no_trace(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test")
    logs.line("some.event")
    names, told = _written(capsys)
    assert names == ["event", "service", "requestId", "level", "timestamp"]
    assert str(told["requestId"]).startswith("req_")


def test_its_time_is_written_as_the_loggers(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test")
    logs.line("some.event")
    [stamp] = [json.loads(line)["timestamp"] for line in capsys.readouterr().out.splitlines()]
    assert len(stamp) == len("2026-11-27T10:39:34.075764Z") and stamp.endswith("Z")


@pytest.mark.parametrize(("level", "lines"), [("DEBUG", 1), ("INFO", 1), ("WARNING", 0)])
def test_the_level_holds_for_it_too(capsys: pytest.CaptureFixture[str], level: str, lines: int) -> None:
    logs.configure("test", level)
    logs.line("some.event")
    assert len(capsys.readouterr().out.splitlines()) == lines
