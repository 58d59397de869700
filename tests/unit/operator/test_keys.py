"""`./atlas keys`: keys are made once, exchanged in three steps, never printed, and never lost half-way."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from atlas_kit.http.errors import Unauthorized
from atlas_kit.http.identity import TokenVerifier
from atlas_kit.process.keys import read_trusted_keys
from atlas_operator import key_folder, target
from atlas_operator.errors import KeysRefused, NoTarget
from atlas_operator.key_folder import KeyFolder, as_setting
from atlas_operator.local import LocalStack
from support.fake_operator import CommandLine
from support.identity import claims, signed


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    made = KeyFolder(tmp_path / "keys")
    made.make(["checkout", "entitlements"])
    return made


@pytest.fixture
def atlas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keys: KeyFolder) -> CommandLine:
    monkeypatch.setenv("ATLAS_KEYS", str(keys.path))
    return CommandLine(monkeypatch, capsys, "http://127.0.0.1:9")


def accepted(keys: KeyFolder, key: dict[str, Any]) -> bool:
    """Whether a service with these trusted keys lets a token of ``key`` in."""
    token = signed(claims("checkout", "entitlements", "ada"), key)
    try:
        return bool(TokenVerifier(as_setting(keys.trusted()), "entitlements").verify(f"Bearer {token}"))
    except Unauthorized:
        return False


def test_making_again_changes_nothing(keys: KeyFolder) -> None:
    before = {file.name: file.read_text() for file in keys.path.iterdir()}
    assert keys.make(["checkout"]) == []
    assert {file.name: file.read_text() for file in keys.path.iterdir()} == before
    assert keys.make(["checkout", "coach"]) == ["coach"]
    assert set(read_trusted_keys(as_setting(keys.trusted()))) == {"checkout", "entitlements", "coach"}
    assert {file.stat().st_mode & 0o777 for file in keys.path.iterdir()} == {0o600}


def test_a_rotation_at_every_step_accepts_the_key_in_use_and_in_the_end_no_other(keys: KeyFolder) -> None:
    old = keys.signing_key("checkout")
    keys.begin("checkout")
    assert keys.signing_key("checkout") == old and accepted(keys, old)
    keys.switch("checkout")
    new = keys.signing_key("checkout")
    assert new != old and accepted(keys, old) and accepted(keys, new)
    keys.end("checkout")
    assert accepted(keys, new) and not accepted(keys, old)
    assert set(read_trusted_keys(as_setting(keys.trusted()))) == {"checkout", "entitlements"}


def test_each_step_may_come_again_and_none_before_its_time(keys: KeyFolder) -> None:
    with pytest.raises(KeysRefused, match="rotate checkout begin"):
        keys.switch("checkout")
    keys.end("checkout")
    keys.begin("checkout")
    following = json.loads((keys.path / "checkout.next.json").read_text())
    keys.begin("checkout")
    assert json.loads((keys.path / "checkout.next.json").read_text()) == following
    with pytest.raises(KeysRefused, match="rotate checkout switch"):
        keys.end("checkout")
    keys.switch("checkout")
    with pytest.raises(KeysRefused, match="rotate checkout end"):
        keys.begin("checkout")
    with pytest.raises(KeysRefused, match="rotate checkout begin"):
        keys.switch("checkout")
    keys.end("checkout")
    keys.end("checkout")
    assert len(keys.trusted()["keys"]) == 2


@pytest.mark.parametrize("step", ["make", "begin", "switch", "end"])
def test_what_is_interrupted_at_any_write_is_completed_by_the_same_command(
    keys: KeyFolder, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = {"make": [], "begin": [], "switch": [keys.begin], "end": [keys.begin, keys.switch]}
    for earlier in before[step]:
        earlier("checkout")
    real, left = key_folder.write_json, [0]
    done_already = (KeysRefused,) if step == "switch" else ()  # it is one rename, without a write

    def failing(path: Path, value: object) -> None:
        if not left[0]:
            raise OSError("No space left on device")
        left[0] -= 1
        real(path, value)

    def run() -> None:
        keys.make(["coach"]) if step == "make" else getattr(keys, step)("checkout")

    monkeypatch.setattr(key_folder, "write_json", failing)
    for writes in (0, 1):
        left[0] = writes
        with contextlib.suppress(OSError, *done_already):
            run()
        assert accepted(keys, keys.signing_key("checkout")), "what signs is trusted at every moment"
    left[0] = 9
    with contextlib.suppress(*done_already):
        run()
    for name in ("checkout", "coach") if step == "make" else ("checkout",):
        assert name in read_trusted_keys(as_setting(keys.trusted()))
    assert accepted(keys, keys.signing_key("checkout"))


@pytest.mark.parametrize("name", ["", "../x", "a/b", "trusted", "a.next", "x" * 65, "é"])
def test_what_is_no_name_of_a_service_is_refused_and_makes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeysRefused):
        KeyFolder(tmp_path / "keys").make(["checkout", name])
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("broken", ["checkout.json", "trusted.json"])
def test_a_broken_file_is_named_and_not_replaced(keys: KeyFolder, broken: str) -> None:
    (keys.path / broken).write_text("{")
    with pytest.raises(KeysRefused, match=broken):
        keys.make(["checkout"])
    assert (keys.path / broken).read_text() == "{"


def test_the_command_makes_rotates_and_shows_public_halves_only(atlas: CommandLine, keys: KeyFolder) -> None:
    secrets = [keys.signing_key("checkout")["d"]]
    shown = []
    for arguments in (["make", "coach", "checkout"], ["rotate", "checkout", "begin"], ["rotate", "checkout", "switch"], ["rotate", "checkout", "end"], ["trusted", "coach"]):
        done = atlas("keys", *arguments)
        assert (done.code, done.err) == (0, ""), arguments
        shown.append(done.out)
        secrets += [json.loads(file.read_text()).get("d", "-no-") for file in keys.path.glob("*.json")]
    assert "coach: made" in shown[0] and "checkout: has one" in shown[0]
    assert "keys rotate checkout switch" in shown[1] and "keys rotate checkout end" in shown[2]
    assert [key["kid"] for key in json.loads(shown[-1])["keys"]] == ["coach"]
    assert not [secret for secret in secrets if secret in "".join(shown)]


def test_the_command_says_what_is_in_the_way(atlas: CommandLine) -> None:
    done = atlas("keys", "rotate", "checkout", "end")
    assert done.code == 0
    done = atlas("keys", "rotate", "unheard-of", "begin")
    assert done.code == 1 and "unheard-of has no key" in done.err and "Traceback" not in done.err
    assert atlas("keys", "rotate", "checkout", "sideways").code == 2


def test_a_folder_of_others_keeps_its_mode_and_what_is_no_folder_is_said(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    KeyFolder(shared).make(["coach"])
    assert (shared.stat().st_mode & 0o777, (shared / "coach.json").stat().st_mode & 0o777) == (0o755, 0o600)
    KeyFolder(tmp_path / "own").make(["coach"])
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(KeysRefused, match="can't be a folder for keys: File exists"):
        KeyFolder(tmp_path / "file").make(["coach"])


def test_a_public_key_that_is_not_there_is_a_failure_and_one_that_is_comes_in_one_line(atlas: CommandLine, keys: KeyFolder) -> None:
    shown = atlas("keys", "trusted", "checkout", "--folder", str(keys.path))
    assert shown.out.count("\n") == 1 and [key["kid"] for key in json.loads(shown.out)["keys"]] == ["checkout"]
    for typo in (["typo"], ["checkout", "typo"]):
        refused = atlas("keys", "trusted", *typo, "--folder", str(keys.path))
        assert (refused.code, refused.out) == (1, "") and "no public key of typo" in refused.err
    empty = atlas("keys", "make", "coach", "--folder", " ")
    assert empty.code == 2 and "--folder must not be empty" in empty.err


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"INTERNAL_SIGNING_KEY": ""}, "needs INTERNAL_SIGNING_KEY beside it"),
        ({"INTERNAL_SIGNING_KEY": "", "INTERNAL_AUTH_SECRET": "canary"}, "INTERNAL_AUTH_SECRET is no longer read"),
        ({"INTERNAL_SIGNING_KEY": "canary"}, "INTERNAL_SIGNING_KEY: must be a private Ed25519 key"),
        ({"INTERNAL_SIGNING_KEY": "of checkout"}, "the command line needs that of operator"),
    ],
)
def test_an_operator_without_a_key_of_the_operators_is_told_so(
    atlas: CommandLine, keys: KeyFolder, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, as_setting(keys.signing_key("checkout")) if value == "of checkout" else value)
    done = atlas("explain", "ada")
    assert done.code == 1
    assert said in done.err
    assert "canary" not in done.err


def test_a_stack_of_an_earlier_version_that_still_runs_is_to_be_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = LocalStack({"services": {}}, {}, {"internal_auth_secret": "canary"})
    monkeypatch.setattr(target, "running_stack", lambda _environ: earlier)
    with pytest.raises(NoTarget, match="started by an earlier version") as told:
        target.find({})
    assert "canary" not in str(told.value)
