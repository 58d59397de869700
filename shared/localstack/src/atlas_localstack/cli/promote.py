"""`./atlas promote`: the standby becomes the primary."""

from __future__ import annotations

import os
import secrets
import time
from typing import Any

from atlas_localstack.stack import home as homes
from atlas_localstack.stack.promotion import Promotion, read, write
from atlas_operator.files import read_json
from atlas_operator.terminal.console import errors, fail, out

PATIENCE_SECONDS = 90.0
POLL_SECONDS = 0.05


def promote() -> None:
    """Stop the primary database and let the standby take its place; the former primary becomes the standby."""
    home = homes.find(os.environ)
    stack: Any = read_json(home.stack_file) if homes.is_running(home) else None
    if not stack:
        fail("No local stack is running.", "Start one with a standby: ./atlas up --standby")
    if "standby" not in stack["postgres"]:
        fail("This stack has no standby.", "./atlas down, then ./atlas up --standby")
    wish = Promotion(secrets.token_hex(8))
    write(home, wish)
    deadline = time.monotonic() + PATIENCE_SECONDS
    with errors.status("Promoting …"):
        while not ((told := read(home)) and told.id == wish.id and told.ended):
            if time.monotonic() > deadline or not homes.is_running(home):
                fail("The supervisor did not answer.", "./atlas status says how it is.")
            time.sleep(POLL_SECONDS)
    if told.refusal:
        fail(told.refusal, told.remedy)
    out.print(f"{told.primary} is the primary now; the other server becomes its standby.")
