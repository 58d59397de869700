"""What a random run is drawn from: given, or new and printed."""

from __future__ import annotations

import os
import secrets
from random import Random


def first_seed() -> str:
    """``ATLAS_SEED``, or a new one; the same for all workers of one run, whose tests have to have the same names."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    return os.environ.get("ATLAS_SEED") or (run[:8] if run else secrets.token_hex(4))


def following(first: str, count: int) -> list[str]:
    """So many seeds; the others follow from the first."""
    chance = Random(first)
    return [first] + [f"{chance.getrandbits(32):08x}" for _ in range(count - 1)]
