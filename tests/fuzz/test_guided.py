"""The webhook's verifier and normalizer under coverage-guided fuzzing: it keeps what reaches new code, and goes on from it.

Seconds here; ``ATLAS_LONG=1`` gives each part five minutes, ``ATLAS_FUZZ_SECONDS`` as many as it says.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fuzz import seeds

LONG = bool(os.environ.get("ATLAS_LONG"))
SECONDS = int(os.environ.get("ATLAS_FUZZ_SECONDS", "300" if LONG else "4"))
SEED = os.environ.get("ATLAS_FUZZ_SEED", "0" if LONG else "20261123")
DONE = re.compile(r"#(\d+)\s+DONE\s+cov: (\d+) ft: (\d+) corp: (\d+)")
needs_atheris = pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris has wheels for Linux x86-64 and Python 3.11 to 3.13 only"
)


def fuzz(part: str, begins_with: str, found: Path, seconds: int) -> subprocess.CompletedProcess[str]:
    """What libFuzzer said; it keeps its corpus and what it finds in ``found``."""
    corpus = found / "corpus"
    corpus.mkdir()
    command = [sys.executable, str(Path(seeds.__file__).with_name("guided.py")), part]
    command += [str(corpus), str(seeds.CORPUS / begins_with), f"-dict={seeds.CORPUS / 'dictionary'}"]
    command += [f"-max_total_time={seconds}", f"-seed={SEED}", "-max_len=8192", "-timeout=10", "-rss_limit_mb=1024"]
    return subprocess.run(
        [*command, f"-artifact_prefix={found}/"], capture_output=True, text=True, errors="replace", timeout=seconds * 2 + 120, check=False
    )


@needs_atheris
@pytest.mark.timeout(SECONDS * 3 + 180)
@pytest.mark.parametrize(("part", "at_least"), [("verifier", 1_000), ("normalizer", 300)])
def test_no_input_however_cleverly_found_breaks_the_door(part: str, at_least: int, tmp_path: Path) -> None:
    done = fuzz(part, part, tmp_path, SECONDS)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    figures = DONE.search(done.stderr)
    assert figures, done.stderr[-2_000:]
    inputs, edges, features, kept = map(int, figures.groups())
    print(f"\n{part}: {inputs} inputs in {SECONDS} s, {edges} edges, {features} features, {kept} inputs kept, 0 findings")
    assert inputs >= at_least and edges > 20
    assert kept >= len(seeds.seeds()[part]) // 2, "what reaches new code is kept"


@needs_atheris
@pytest.mark.timeout(180)
def test_a_verifier_without_one_of_its_checks_is_found_out(tmp_path: Path) -> None:
    done = fuzz("careless-verifier", "verifier", tmp_path, 60)
    assert done.returncode != 0 and "AssertionError" in done.stdout + done.stderr
    assert list(tmp_path.glob("crash-*")), "the input is kept"


def test_the_committed_corpus_is_what_the_code_makes() -> None:
    committed = {
        part: {path.name: path.read_bytes() for path in (seeds.CORPUS / part).iterdir()} for part in seeds.seeds()
    }
    assert committed == seeds.seeds()
    assert (seeds.CORPUS / "dictionary").read_text() == seeds.dictionary()
