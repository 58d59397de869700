"""What the containers read before they start: made up only where nobody but this machine's user gets."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.stack import WORKSPACE

MADE_UP = ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE", "NEXTAUTH_SECRET", "ATLAS_DEV_SIGN_IN"]


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script makes, in a folder; nothing changes its owner."""
    folder = tmp_path_factory.mktemp("credentials")
    stubs = tmp_path_factory.mktemp("stubs")
    for name in ("chown", "id"):
        (stubs / name).write_text("#!/bin/sh\necho 0\n")
        (stubs / name).chmod(0o755)
    script = (WORKSPACE / "deploy" / "credentials.sh").read_text().replace("/run/credentials", str(folder))
    path = f"{stubs}:{os.environ['PATH']}"
    subprocess.run(["sh", "-c", script], check=True, env={"PATH": path}, capture_output=True)
    return folder


def told(credentials: Path, nextauth_url: str) -> dict[str, str]:
    """What the gateway and the checkout service find in their environment."""
    found: dict[str, str] = {}
    for service in ("account-gateway", "checkout"):
        show = f'. "{credentials}/{service}.env"; env'
        done = subprocess.run(
            ["sh", "-euc", show], check=True, capture_output=True, text=True, env={"PATH": os.environ["PATH"], "NEXTAUTH_URL": nextauth_url, **dict.fromkeys(MADE_UP, "")},
        )  # fmt: skip
        found |= {name: value for line in done.stdout.splitlines() for name, _, value in [line.partition("=")] if value}
    return found


@pytest.mark.parametrize("url", ["https://atlas.example", "HTTPS://atlas.example", "Https://atlas.example", " https://atlas.example"])
def test_a_public_deployment_gets_no_made_up_secret_and_no_sandbox(credentials: Path, url: str) -> None:
    assert not set(told(credentials, url)) & set(MADE_UP)


def test_on_this_machine_everything_is_there(credentials: Path) -> None:
    assert set(MADE_UP) <= set(told(credentials, "http://localhost:8000"))
