"""Another service keeps a mirror of who is Pro: the guide's programs, run as they stand, see a purchase and its end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import node
from support.buyer import Buyer
from support.stack import WORKSPACE, Stack, eventually

GUIDE = WORKSPACE / "docs" / "consuming-entitlements.md"
LONGEST_PROGRAM = 20


def program(language: str) -> str:
    """The guide's mirror in this language."""
    [found] = [text for text in re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL) if "EntitlementMirror" in text]
    assert len(found.splitlines()) <= LONGEST_PROGRAM
    return str(found)


@pytest.fixture
def folder(stack: Stack, tmp_path: Path) -> Path:
    (tmp_path / ".atlas").mkdir()
    (tmp_path / ".atlas" / "stack.json").write_text(json.dumps(stack.json))
    return tmp_path


@contextlib.contextmanager
def running(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[Path]:
    """What the program prints while it runs."""
    said = folder / "said.txt"
    with said.open("wb") as out, subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out) as process:
        try:
            yield said
        finally:
            process.kill()


@contextlib.contextmanager
def in_python(folder: Path) -> Iterator[Path]:
    (folder / "mirror.py").write_text(program("python"))
    with running([sys.executable, "mirror.py"], folder, dict(os.environ)) as said:
        yield said


@contextlib.contextmanager
def in_node(folder: Path) -> Iterator[Path]:
    """TypeScript without types is JavaScript: the guide's program has none of its own."""
    kit = node.typescript_kit()
    (folder / "mirror.mjs").write_text(program("ts"))
    modules = folder / "node_modules"
    (modules / "@atlas").mkdir(parents=True)
    (modules / "@atlas" / "billing").symlink_to(kit)
    with running([str(node.wheel() / "bin" / "node"), "mirror.mjs"], folder, node.environment()) as said:
        yield said


def sees_a_purchase_and_its_end(said: Path, buyer: Buyer) -> None:
    eventually(lambda: "current:" in said.read_text(), 120, f"the mirror is current: {said.read_text()}")
    session = buyer.buy()
    eventually(lambda: f"{buyer.user} is Pro" in said.read_text(), what="the purchase is in the mirror")
    buyer.refund(session)
    eventually(lambda: f"{buyer.user} is not Pro" in said.read_text(), what="the end is in the mirror")


def test_the_guides_mirror_in_python_sees_a_purchase_and_its_end(buyer: Buyer, folder: Path) -> None:
    with in_python(folder) as said:
        sees_a_purchase_and_its_end(said, buyer)


def test_the_guides_mirror_in_typescript_sees_a_purchase_and_its_end(buyer: Buyer, folder: Path) -> None:
    with in_node(folder) as said:
        sees_a_purchase_and_its_end(said, buyer)
