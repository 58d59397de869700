"""SECURITY.md names the test that proves each protection. A name that leads nowhere proves nothing."""

from __future__ import annotations

import re
from pathlib import Path

WORKSPACE = Path(__file__).resolve().parents[2]
TEXT = (WORKSPACE / "SECURITY.md").read_text()
ROWS = [line for line in TEXT.splitlines() if re.match(r"\| (\d|all) \|", line)]


def test_every_threat_names_tests_that_exist() -> None:
    assert len(ROWS) > 20
    for row in ROWS:
        named = re.findall(r"`((?:e2e/)?[a-z_]+/(?:[a-z_0-9]+/)*test_[a-z_]+\.py)?(?:::(test_[a-z_0-9]+))?`", row.split("|")[-2])
        assert named and named[0][0], f"nothing proves: {row[:80]}"
        path = WORKSPACE
        for file, test in named:
            if file:  # a test without a file is one of the file before it
                path = WORKSPACE / file if file.startswith("e2e/") else WORKSPACE / "tests" / file
            assert path.is_file(), f"{file} is gone: {row[:80]}"
            assert not test or f"def {test}(" in path.read_text(), f"{test} is gone: {row[:80]}"


def test_every_secret_variable_has_its_way_to_be_rotated() -> None:
    rotation = TEXT[TEXT.index("**Rotate**") : TEXT.index("**Check the dependencies**")]
    for secret in (
        "STRIPE_WEBHOOK_SECRET",
        "NEXTAUTH_SECRET",
        "STRIPE_SECRET_KEY",
        "INTERNAL_SIGNING_KEY",
        "NATS",
        "Postgres",
    ):
        assert secret in rotation
