"""What is installed is what was locked: every requirement by hash, and no word about where to fetch it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
LOCKS = sorted(REQUIREMENTS.glob("*.lock"))
PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?==[^\s;\\]+")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
WHERE_FROM = re.compile(
    r"://|-(extra-)?index-url|-find-links|-trusted-host|--no-index|\bgit\+|\bfile:|^-[ef]\b", re.MULTILINE
)


def requirements(lock: Path) -> list[str]:
    """Each requirement with its hashes on one line; comments are left out."""
    joined = lock.read_text().replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def test_there_are_locks_for_running_for_the_command_line_for_one_machine_and_for_developing() -> None:
    assert [lock.name for lock in LOCKS] == ["dev.lock", "local.lock", "operator.lock", "runtime.lock"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_requirement_is_one_version_with_hashes(lock: Path) -> None:
    found = requirements(lock)
    assert len(found) > (10 if lock.name == "operator.lock" else 30)
    for line in found:
        assert PINNED.match(line), f"not pinned: {line[:60]}"
        words = line.partition(" ; ")[2] or line
        hashes = [word for word in words.split() if word.startswith("--hash")]
        assert hashes and all(HASH.fullmatch(word) for word in hashes), f"without a good hash: {line[:60]}"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_lock_says_where_to_fetch_from(lock: Path) -> None:
    assert WHERE_FROM.search("\n".join(requirements(lock))) is None


@pytest.mark.parametrize("lock", ["runtime.lock", "operator.lock", "local.lock"])
def test_what_runs_in_production_is_tested_in_the_same_version(lock: str) -> None:
    def versions(name: str) -> dict[str, str]:
        pairs = (line.split()[0].split("==") for line in requirements(REQUIREMENTS / name))
        return {package.lower(): version for package, version in pairs}

    developed = versions("dev.lock")
    different = {
        name: (version, developed.get(name))
        for name, version in versions(lock).items()
        if developed.get(name) != version
    }
    assert different == {}
