"""What a stack keeps on the disk, and what it ends after a crash."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from atlas_localstack.stack import generated, leftovers, logs, state
from atlas_localstack.stack import home as homes
from atlas_localstack.stack.home import Home
from atlas_localstack.stack.state import PartState, StartFailure, State
from atlas_operator import files
from atlas_operator.commands.pull import seconds
from atlas_operator.local import WORKSPACE


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_what_a_crash_left_behind_is_ended(home: Home, sleeper: subprocess.Popen) -> None:
    leftovers.remember(home, [sleeper.pid, None])
    assert len(leftovers.end(home)) == 1
    assert not psutil.pid_exists(sleeper.pid)
    assert leftovers.end(home) == []


def test_a_stranger_that_got_the_same_process_id_later_is_left_alone(home: Home, sleeper: subprocess.Popen) -> None:
    started = psutil.Process(sleeper.pid).create_time()
    files.write_json(home.processes_file, [{"pid": sleeper.pid, "started": started - 10}])
    assert leftovers.end(home) == []
    assert sleeper.poll() is None


@pytest.mark.parametrize("damage", ["", "{", "[1, 2]", '[{"pid": "x"}]'])
def test_a_damaged_list_of_processes_ends_nothing_and_stops_nobody(home: Home, damage: str) -> None:
    home.processes_file.write_text(damage)
    assert leftovers.end(home) == []


def test_a_file_is_replaced_whole_and_stays_private(home: Home) -> None:
    files.write_json(home.stack_file, {"a": 1})
    files.write_json(home.stack_file, {"a": 2})
    assert json.loads(home.stack_file.read_text()) == {"a": 2}
    assert home.stack_file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(TypeError):
        files.write_json(home.stack_file, {"a": object()})
    assert json.loads(home.stack_file.read_text()) == {"a": 2}
    assert [path.name for path in home.path.iterdir() if path.name.startswith(".")] == []


def test_the_state_survives_its_file(home: Home) -> None:
    told = State(phase=state.FAILED, parts={"nats": PartState(pid=1, note="x")}, failure=StartFailure("why", "what", ["line"]))
    state.save(home, told)
    assert state.load(home) == told
    home.state_file.write_text("{")
    assert state.load(home) is None


def test_ports_are_kept_while_they_are_free(home: Home) -> None:
    first = generated.ports_of(home)
    assert generated.ports_of(home) == first
    with socket.create_server(("127.0.0.1", first.postgres)):
        moved = generated.ports_of(home)
    assert moved.postgres != first.postgres
    assert (moved.nats, moved.nats_monitor) == (first.nats, first.nats_monitor)


def test_one_supervisor_at_a_time(home: Home) -> None:
    assert not homes.is_running(home)
    held = homes.take(home)
    assert held is not None
    assert homes.is_running(home)
    assert homes.take(home) is None
    held.close()
    assert not homes.is_running(home)


def test_a_log_that_grows_too_large_is_moved_aside_while_its_program_writes(home: Home, monkeypatch) -> None:
    monkeypatch.setattr(logs, "LIMIT_BYTES", 100)
    path = home.log("nats")
    with logs.open_for_append(path) as program:
        program.write(b"x" * 200)
        program.flush()
        logs.limit(path)
        program.write(b"after")
    assert path.read_bytes() == b"after"
    assert path.with_suffix(".log.1").stat().st_size == 200


def test_a_new_run_starts_a_new_log_and_keeps_the_last_one(home: Home) -> None:
    path = home.log("nats")
    path.write_text("old")
    logs.begin(path)
    assert not path.exists()
    assert path.with_suffix(".log.1").read_text() == "old"


@pytest.mark.parametrize(("duration", "expected"), [("90s", 90), ("90m", 5400), ("72h", 259_200), ("30d", 2_592_000)])
def test_a_duration_is_understood(duration: str, expected: int) -> None:
    assert seconds(duration) == expected


def test_the_home_is_where_the_environment_says_or_beside_atlas() -> None:
    assert homes.find({"ATLAS_HOME": "/somewhere/else"}).path == Path("/somewhere/else")
    assert homes.find({"ATLAS_HOME": " "}).path == WORKSPACE / ".atlas"
    assert (WORKSPACE / "atlas").exists()
    assert os.access(WORKSPACE / "atlas", os.X_OK)
