"""The first minute on a new machine."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from atlas_devstack import bootstrap

WORKSPACE = Path(__file__).resolve().parents[3]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose lock installs nothing, so that only the mechanics run."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "dev.lock").write_text("")
    (tmp_path / "shared" / "kit" / "src").mkdir(parents=True)
    return tmp_path


def site(root: Path) -> Path:
    return next((root / ".venv" / "lib").glob("python3.*/site-packages"))


def test_the_first_call_installs_and_the_second_does_nothing(workspace: Path, monkeypatch) -> None:
    bootstrap.ensure_installed(workspace)
    assert (site(workspace) / "atlas.pth").read_text().splitlines() == [str(workspace / "shared" / "kit" / "src")]
    monkeypatch.setattr(bootstrap, "_install", lambda *_: pytest.fail("installed again"))
    bootstrap.ensure_installed(workspace)


def test_a_changed_lock_installs_again(workspace: Path, monkeypatch) -> None:
    bootstrap.ensure_installed(workspace)
    (workspace / "requirements" / "dev.lock").write_text("# changed\n")
    installed = []
    monkeypatch.setattr(bootstrap, "_pip", lambda *_: installed.append(True))
    bootstrap.ensure_installed(workspace)
    assert installed == [True]


def test_an_interrupted_installation_is_thrown_away_and_done_again(workspace: Path) -> None:
    bootstrap.ensure_installed(workspace)
    (site(workspace) / "half_a_package.py").write_text("")
    (workspace / ".venv" / ".atlas-installed").write_text(bootstrap.INSTALLING)
    bootstrap.ensure_installed(workspace)
    assert not (site(workspace) / "half_a_package.py").exists()


def test_two_at_once_install_once(workspace: Path, monkeypatch) -> None:
    calls = []
    real = bootstrap._pip
    monkeypatch.setattr(bootstrap, "_pip", lambda *arguments: (calls.append(True), real(*arguments)))
    threads = [threading.Thread(target=bootstrap.ensure_installed, args=(workspace,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [True]


def test_a_failed_installation_says_what_pip_said_and_what_to_do(workspace: Path, monkeypatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (workspace / "requirements" / "dev.lock").write_text("no-such-package-at-all==1 --hash=sha256:00\n")
    with pytest.raises(bootstrap.BootstrapError, match=r"(?s)no-such-package-at-all.*call ./atlas again"):
        bootstrap.ensure_installed(workspace)


def test_the_script_can_be_read_by_an_old_python() -> None:
    source = (WORKSPACE / "atlas").read_text()
    tree = ast.parse(source, feature_version=(3, 4))
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr))]


def test_an_old_python_is_told_which_one_is_needed() -> None:
    pretend = "import sys; sys.version_info = (3, 9, 2); sys.argv = ['atlas']; import os; os.environ['PATH'] = ''; exec(open('atlas').read().replace('realpath(__file__)', 'realpath(\"atlas\")'), {'__name__': '__main__', '__file__': 'atlas'})"
    done = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True, cwd=WORKSPACE)
    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 or newer is needed, found 3.9; ")
