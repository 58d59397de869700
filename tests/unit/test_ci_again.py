"""What CI runs again: few failures, once, by themselves (`.ci/again.py`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

AGAIN = Path(__file__).parents[2] / ".ci" / "again.py"
FLAKY = """
from pathlib import Path
def test_first_time_bad():
    mark = Path(__file__).with_name("seen")
    seen = mark.exists()
    mark.touch()
    assert seen
"""
BAD = "def test_bad(): assert False\n"
MANY = "".join(f"def test_bad_{number}(): assert False\n" for number in range(4))
DRAWN = """
import secrets, pytest
@pytest.mark.parametrize("seed", [secrets.token_hex(8)])
def test_storm(seed): assert False
"""


@pytest.mark.parametrize(
    ("tests", "code", "told"),
    [
        pytest.param(FLAKY, 0, "to be mended:\n  test_it.py::test_first_time_bad", id="failed among others"),
        pytest.param(BAD, 1, "1 failed", id="fails twice"),
        pytest.param(FLAKY + BAD, 1, "1 failed, 1 passed", id="one of two fails twice"),
        pytest.param(MANY, 1, "4 tests failed; up to 3 are run again", id="too many"),
        pytest.param(DRAWN, 4, "not found: ", id="a seed that is drawn anew"),
        pytest.param("def test_good(): pass\n", 1, "0 tests failed", id="nothing failed, so the run failed by itself"),
    ],
)
def test_what_failed_is_run_again_by_itself(tmp_path: Path, tests: str, code: int, told: str) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(tests)
    subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=tmp_path, check=False, capture_output=True)
    again = subprocess.run([sys.executable, AGAIN], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (again.returncode, told in again.stdout + again.stderr) == (code, True), again.stdout + again.stderr
