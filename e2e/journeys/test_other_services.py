"""Another Atlas service hears of a purchase: the documented example, run as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.buyer import Buyer
from support.stack import WORKSPACE, Stack, eventually

EXAMPLE = WORKSPACE / "docs" / "examples" / "entitlement_listener.py"


@pytest.fixture
def heard(stack: Stack, tmp_path: Path) -> Iterator[Path]:
    """What the example prints while it runs with an observer's credentials."""
    output = tmp_path / "heard.txt"
    environment = {**os.environ, "NATS_URL": stack.json["nats"]["observer"]["url"]}
    with output.open("wb") as out, subprocess.Popen([sys.executable, EXAMPLE], env=environment, stdout=out) as listener:
        yield output
        listener.terminate()


def test_the_documented_listener_hears_who_becomes_pro_and_who_no_longer_is(buyer: Buyer, heard: Path) -> None:
    session_id = buyer.buy()
    eventually(lambda: f"{buyer.user} is Pro (purchase)" in heard.read_text(), what="the grant is heard")

    buyer.refund(session_id)
    eventually(lambda: f"{buyer.user} is not Pro (refunded)" in heard.read_text(), what="the end is heard")
