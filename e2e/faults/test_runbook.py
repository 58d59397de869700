"""docs/runbook.md, played: each situation is brought about, the page's own commands are run, what it promises is seen, and it heals.

One stack for all. The scenes are in support.runbook and support.runbook_faults.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from support.faults.alerting import dsn
from support.pages import addresses, blocks_of, sections
from support.runbook import Scene, Step
from support.runbook_faults import PLAYED_ELSEWHERE, SCENES
from support.stack import WORKSPACE, Stack, eventually, running_stack

SECTIONS = sections(WORKSPACE / "docs" / "runbook.md")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack({"BILLING_PULL_INTERVAL_SECONDS": "0", "RATE_LIMIT_CHECKOUT": "0", "RATE_LIMIT_RESTORE": "0"}) as running:
        yield running


def test_every_section_has_its_scene() -> None:
    played = {section for sections_of in SCENES.values() for section in sections_of} | PLAYED_ELSEWHERE.keys()
    assert set(SECTIONS) == played, "a section without a scene, or a scene without its section"


def test_what_is_played_elsewhere_is_there() -> None:
    for tests in PLAYED_ELSEWHERE.values():
        for file, name in (test.split("::") for test in tests):
            assert f"\ndef {name}(" in (WORKSPACE / file).read_text(), f"{file} has no {name}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_a_situation_goes_as_the_page_says(stack: Stack, scene: Callable[[Stack], Scene], tmp_path: Path) -> None:
    left = {section: blocks_of(SECTIONS[section], "sh", "sql") for section in SCENES[scene]}
    playing, printed = scene(stack), ""
    try:
        step = next(playing)
        while True:
            assert left[step.section], f"the page has no further block in {step.section!r}"
            kind, block = left[step.section].pop(0)
            printed = run(stack, kind, block, step, tmp_path)
            step = playing.send(printed)
    except StopIteration:
        assert not any(left.values()), "blocks of the page that nobody ran"
    finally:
        playing.close()


def run(stack: Stack, kind: str, block: str, step: Step, folder: Path) -> str:
    """What a block prints; statements give their rows as JSON."""
    for name in re.findall(r"\$([A-Z_]+)", block):
        assert name in step.variables, f"the scene gives no ${name} for {step.section!r}"
    if kind == "sql":
        with psycopg.connect(dsn(stack), row_factory=psycopg.rows.dict_row) as database:
            return json.dumps(database.execute(re.sub(r"\$([A-Z_]+)", lambda name: step.variables[name[1]], block).encode()).fetchall())
    (folder / "atlas").unlink(missing_ok=True)
    (folder / "atlas").symlink_to(WORKSPACE / "atlas")
    script = "set -eo pipefail\n" + addresses(block, stack)

    def tried() -> subprocess.CompletedProcess[str] | None:
        done = subprocess.run(["bash", "-c", script], cwd=folder, env=stack.environment() | step.variables, text=True, capture_output=True, timeout=180)
        return None if "Another pull is running. Please try again later." in done.stderr else done

    done = eventually(tried, what="no other pull is running")
    assert done.returncode in step.exits, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
