"""The operator's command line by itself, as its image has it: no local stack, no checkout of the project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from atlas_localstack.cli import app as atlas
from atlas_operator import command_line
from support.fake_operator import VARIABLES, fake_operator
from support.identity import key_of
from support.stack import WORKSPACE

PARTS = ("contracts", "stripe", "kit", "operator")
LEAVES_OUT = """
import sys
class Nobody:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {'atlas_localstack', 'stripe_sandbox', 'checkout', 'webhook_ingest', 'entitlements', 'account_gateway'}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Nobody())
"""

ASKS_FOR_HELP = """
import contextlib, io, json, sys
from atlas_operator.command_line import main
told = {}
for name in sys.argv[1:]:
    sys.argv = ["atlas_operator", name, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            main()
        except SystemExit as end:
            told[name] = [end.code, out.getvalue(), errors.getvalue()]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the image's COPY lines bring; nothing else of ours can be imported."""
    folder = tmp_path_factory.mktemp("image")
    for part in PARTS:
        shutil.copytree(WORKSPACE / "shared" / part / "src", folder, dirs_exist_ok=True)
    (folder / "sitecustomize.py").write_text(LEAVES_OUT)
    return folder


def run(image: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(image), "HOME": "/nonexistent", **variables}
    return subprocess.run(
        [sys.executable, "-m", "atlas_operator", *arguments],
        cwd=image, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_the_help_lists_every_command_for_a_running_system_and_none_of_the_local_stack(image: Path) -> None:
    done = run(image, "--help")
    assert done.returncode == 0, done.stderr
    assert all(f" {name} " in done.stdout for name in command_line.COMMANDS)
    assert not any(f" {name} " in done.stdout for name in set(atlas.COMMANDS) - set(command_line.COMMANDS))


def test_atlas_has_the_operators_commands_and_its_own() -> None:
    assert set(atlas.COMMANDS) - set(command_line.COMMANDS) == {"up", "down", "status", "logs", "promote", "test"}
    assert all(atlas.COMMANDS[name] is command for name, command in command_line.COMMANDS.items())


@pytest.fixture(scope="module")
def helps(image: Path) -> dict[str, list[object]]:
    """Exit code, output and errors of each command's help: one process asks for all."""
    done = subprocess.run(
        [sys.executable, "-c", ASKS_FOR_HELP, *command_line.COMMANDS],
        cwd=image, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(image), "HOME": "/nonexistent"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, list[object]] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("name", command_line.COMMANDS)
def test_each_command_says_what_it_takes(helps: dict[str, list[object]], name: str) -> None:
    code, said, errors = helps[name]
    assert (code, errors) == (0, "")
    assert name in str(said)


def test_without_an_address_it_says_in_a_sentence_what_to_set(image: Path) -> None:
    done = run(image, "explain", "somebody")
    assert (done.returncode, done.stdout) == (1, "")
    assert "ENTITLEMENTS_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_it_does_not_understand_exits_2(image: Path) -> None:
    done = run(image, "no-such-command")
    assert done.returncode == 2
    assert "no-such-command" in done.stderr


def test_it_asks_the_system_that_the_environment_names(image: Path) -> None:
    with fake_operator() as fake:
        key = json.dumps(key_of("operator"))
        done = run(image, "parked", "list", INTERNAL_SIGNING_KEY=key, **dict.fromkeys(VARIABLES, fake.url))
    assert (done.returncode, done.stdout.strip()) == (0, "Nothing is parked."), done.stderr
