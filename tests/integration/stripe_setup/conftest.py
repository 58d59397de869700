"""`./atlas stripe setup` in this process, against a fresh account of the real sandbox for each test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from dotenv import dotenv_values

from atlas_localstack.cli.app import main
from atlas_operator.commands import stripe_account
from atlas_operator.stripe_setup.kept import Kept
from support.canaries import Canaries
from support.stripe_accounts import KEY, FreshAccount, Line, fresh_account, line_to

URL = "https://atlas.example/api/billing/stripe/webhook"
VARIABLES = (
    "STRIPE_SECRET_KEY", "STRIPE_API_BASE", "STRIPE_WEBHOOK_SECRET", "STRIPE_PRICE_PRO_LIFETIME", "WEBHOOK_PUBLIC_URL",
    "STRIPE_BILLING_PORTAL_CONFIGURATION_ID", "STRIPE_LOG",
)  # fmt: skip


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def actions(self) -> dict[str, str]:
        """What is said of each object: its action."""
        told = {}
        for line in self.out.splitlines():
            thing, _, rest = line.partition(": ")
            told[thing] = rest.split(" ")[0]
        return told


class CommandLine:
    """`./atlas stripe setup --url URL`, with a folder of its own for `.env.stripe`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.use(folder)

    def use(self, folder: Path) -> None:
        self.folder = folder
        self._monkeypatch.setattr(stripe_account, "Kept", lambda: Kept(folder))

    def env(self, **variables: str | None) -> None:
        for name, value in variables.items():
            if value is None:
                self._monkeypatch.delenv(name, raising=False)
            else:
                self._monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str, url: str | None = URL) -> Done:
        self._monkeypatch.setattr(sys, "argv", ["atlas", "stripe", "setup", *(["--url", url] if url else []), *arguments])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        told = self._capsys.readouterr()
        return Done(left.value.code if isinstance(left.value.code, int) else 1, told.out, told.err)

    @property
    def file(self) -> Path:
        return self.folder / ".env.stripe"

    @property
    def kept(self) -> dict[str, str | None]:
        return dict(dotenv_values(self.file))


@pytest.fixture
def account() -> Iterator[FreshAccount]:
    with fresh_account() as running:
        yield running


@pytest.fixture
def line(account: FreshAccount) -> Iterator[Line]:
    with line_to(account.url) as way:
        yield way


@pytest.fixture
def setup(
    account: FreshAccount, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "no-stack"
    home.mkdir()
    monkeypatch.setenv("ATLAS_HOME", str(home))
    monkeypatch.setenv("STRIPE_SECRET_KEY", KEY)
    monkeypatch.setenv("STRIPE_API_BASE", account.url)
    folder = tmp_path / "workspace"
    folder.mkdir()
    return CommandLine(monkeypatch, capsys, folder)


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()
