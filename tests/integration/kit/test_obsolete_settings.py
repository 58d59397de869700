"""A service that finds the secret which was once shared says so, once, without showing it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.identity import ANY_KEY, TRUSTED
from support.routes import ENVIRONMENT

CANARY = "canary-of-the-secret-that-was-shared-0123456789"
PACKAGES = ("account_gateway", "checkout", "entitlements", "webhook_ingest")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_secret_that_was_shared_is_told_of_once_with_what_replaces_it(package: str) -> None:
    """The port is taken, or the database is away: whatever comes then, the line has been written before."""
    identity = {"INTERNAL_SIGNING_KEY": ANY_KEY, "INTERNAL_TRUSTED_KEYS": TRUSTED, "INTERNAL_AUTH_SECRET": CANARY}
    process = subprocess.Popen(
        [sys.executable, "-m", package, "--port", "0"],
        env={**os.environ, **ENVIRONMENT, **identity}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said = []
    try:
        assert process.stdout
        for line in process.stdout:
            said.append(line)
            if "configuration.obsolete" in line:
                break
    finally:
        process.terminate()
    rest, _ = process.communicate(timeout=30)
    lines = [line for line in "".join([*said, rest]).splitlines() if "configuration.obsolete" in line]
    assert len(lines) == 1
    told = json.loads(lines[0])
    assert (told["level"], told["variable"]) == ("warning", "INTERNAL_AUTH_SECRET")
    assert "INTERNAL_SIGNING_KEY" in told["replacedBy"] and "INTERNAL_TRUSTED_KEYS" in told["replacedBy"]
    assert CANARY not in "".join([*said, rest])
