"""The benchmarks of docs/performance.md run, in miniature. Their figures mean nothing here; that they come does, and that no
ratio by the obvious design has fallen by half.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from atlas_kit.storage import migrations
from entitlements.domain.policy import Policy
from entitlements.use_cases import rebuild
from support.stack import Stack

HERE = Path(__file__).resolve().parent
LEAST_AT_16, LEAST_AT_64 = 0.75, 1.2
"""Half of our rate by the obvious design's, in webhooks per second."""
MOST_TIME = 3.3
"""Twice our processor time per event at 200/s by the obvious design's."""
sys.path[:0] = [str(HERE)]

import http_bounds_bench
import supervisors
from ledger_rows import fill


def test_the_rows_of_the_rebuild_benchmark_are_what_the_service_would_have_written(postgres_dsn: str) -> None:
    migrations.upgrade(postgres_dsn, "entitlements")
    fill(postgres_dsn, 50)
    put_right = asyncio.run(rebuild.rebuild(postgres_dsn, Policy(), lambda _done, _total: None))
    assert put_right.facts == 50
    with psycopg.connect(postgres_dsn) as connection:
        found = connection.execute("SELECT is_pro, count(*) FROM entitlements GROUP BY is_pro ORDER BY is_pro").fetchall()
    # Two facts a purchase: 22 of them, for the seventh was disputed (two more), the 10th and the 20th refunded (two more each).
    assert found == [(False, 2), (True, 20)]


def test_the_pipeline_benchmark(stack: Stack) -> None:
    said = _said("pipeline_bench.py", "--events", "40", "--connections", "8", "--rate", "10", "--seconds", "1", home=stack.home)
    assert "burst of 40 over 8 connections: accepted" in said
    assert "webhook sent → Pro at the gateway: p50" in said


def test_beside_half_heads_stock_uvicorn_answers_nobody_and_ours_does() -> None:
    """Once uvicorn bounds a head itself, the first line fails, and ours may go (decision 0013)."""
    assert not http_bounds_bench.answers_beside_half_heads("stock")
    assert http_bounds_bench.answers_beside_half_heads("ours")


def test_a_head_without_end_is_held_by_stock_uvicorn_and_not_by_ours() -> None:
    assert http_bounds_bench.held_of_a_head_without_end("stock") > 100
    assert http_bounds_bench.held_of_a_head_without_end("ours") < 10


@pytest.mark.slow
def test_no_obvious_supervisor_does_what_the_local_stack_needs(tmp_path: Path) -> None:
    """Once one does, ours may go (decision 0013)."""
    try:
        supervisors.installed(tmp_path)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("honcho and supervisor can't be had from the package index")
    assert not supervisors.looked_at(supervisors.honcho, tmp_path)["starts a part again"]
    assert supervisors.looked_at(supervisors.supervisord, tmp_path)["parts left after its own death"] == 2


@pytest.mark.slow
@pytest.mark.parametrize(("script", "little"), [("webhook_bench.py", ["--events", "2000"]), ("rebuild_bench.py", ["--rows", "500"])])
def test_side_by_side_with_the_obvious_design(script: str, little: list[str]) -> None:
    said = _said(script, *little)
    assert "obvious" in said
    assert "not 200: 0" in said or "rebuild --verify" in said


def test_the_read_beside_the_obvious_service() -> None:
    """The script fails by itself when the ratio is under half of what docs/performance.md tells."""
    assert _said("entitlement_read_bench.py", "--reads", "3000").count("not 200: 0") == 2


def test_what_an_event_costs_beside_the_obvious_design() -> None:
    """Half of what docs/performance.md tells is allowed: less than that is no noise."""
    said = _said("cost.py", "--only", "atlas", "obvious", "--rates", "200", "--seconds", "2", "--events", "600", "--idle", "0", "--json")
    ratios = json.loads(said)["ratios"]
    assert ratios["webhook, 16 connections ÷ obvious"] > LEAST_AT_16, ratios
    assert ratios["webhook, 64 connections ÷ obvious"] > LEAST_AT_64, ratios
    assert ratios["µs all, 200/s ÷ obvious"] < MOST_TIME, ratios


@pytest.mark.slow
def test_the_projectors_loop_beside_the_one_before() -> None:
    if subprocess.run(["git", "rev-parse", "--is-shallow-repository"], cwd=HERE, capture_output=True, text=True).stdout != "false\n":
        pytest.skip("the loop of before is in the history, and this copy has none")
    said = _said("listening_bench.py", "--facts", "300", "--singles", "5", "--rounds", "1")
    for what in ("flat out", "one at a time"):
        assert [line.split("µs")[0].split()[-2] for line in said.splitlines() if line.startswith(what)] == ["before", "faststream"]


def _said(script: str, *options: str, home: Path | None = None) -> str:
    environment = os.environ | ({"ATLAS_HOME": str(home)} if home else {})
    done = subprocess.run([sys.executable, str(HERE / script), *options], env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
