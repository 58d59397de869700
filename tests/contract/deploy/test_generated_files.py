"""The containers' broker and databases follow the same rules as the local stack's."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from support.stack import WORKSPACE

GENERATOR = runpy.run_path(str(WORKSPACE / "deploy" / "generate.py"))
FILES: dict[Path, Callable[[], str]] = GENERATOR["FILES"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_file_is_what_the_generator_writes(path: Path) -> None:
    assert path.read_text() == FILES[path](), "out of date: run `python deploy/generate.py`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_password_comes_from_the_environment_by_a_name_that_is_made(path: Path) -> None:
    made = (WORKSPACE / "deploy" / "credentials.sh").read_text()
    users, roles = GENERATOR["permissions"].GRANTS, GENERATOR["roles"].ROLES

    assert all(f" {user.upper()}" in made for user in users)
    assert all(f" {role.upper()}" in made for role in roles)
    assert "<" not in path.read_text().replace('".>', ""), "no placeholder is left"
