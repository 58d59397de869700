"""What the operator's commands show: hostile text as text, no id cut or folded."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

import nats

from support.buyer import Buyer
from support.stack import Stack, eventually

HOSTILE = "evt_[/x]\x1b[31m\u202e"


def test_a_hostile_id_is_shown_as_text(stack: Stack) -> None:
    event = {
        "id": HOSTILE, "source": "urn:x", "specversion": "1.0", "type": "atlas.billing.v1.[/x]", "datacontenttype": "application/json",
        "subject": "[/x]\x1b[2J", "time": "2026-11-26T12:00:00Z", "data": {"eventId": HOSTILE, "userId": "[/x]\x1b[2J"},
    }  # fmt: skip

    async def publish() -> None:
        client = await nats.connect(stack.json["nats"]["url"], inbox_prefix=b"_INBOX_admin")
        await client.jetstream().publish("billing.v1.hostile", json.dumps(event).encode())
        await client.close()

    asyncio.run(publish())
    listed = eventually(lambda: (done := stack.atlas("parked", "list")) and "billing.v1.hostile" in done.stdout and done, what="parked")
    assert listed.returncode == 0
    assert "\x1b" not in listed.stdout
    assert "\u202e" not in listed.stdout
    explained = stack.atlas("explain", "[/x]")
    assert explained.returncode == 1
    assert "Traceback" not in explained.stderr


def test_no_table_folds_or_cuts_an_id(stack: Stack, buyer: Buyer) -> None:
    session = buyer.buy()
    told = json.loads(stack.atlas("explain", buyer.user, "--json").stdout)
    ids = [fact["eventId"] for payment in told["payments"] for fact in payment["facts"]]
    lines = stack.atlas("explain", buyer.user).stdout.splitlines()
    for event in ids:
        [row] = [re.split(r" {2,}", line) for line in lines if event in line]
        assert len(row) == 7, "one line per row, columns two or more spaces apart"
    at_a_terminal = on_terminal(stack, "explain", buyer.user)
    assert session
    assert all(any(event in line for line in at_a_terminal) for event in ids)
    status = [re.split(r" {2,}", line) for line in stack.atlas("status").stdout.splitlines()]
    assert {len(row) for row in status} == {6}
    assert any("Stripe's webhooks come in" in line for line in on_terminal(stack, "status"))


def on_terminal(stack: Stack, *arguments: str, columns: int = 80) -> list[str]:
    """The lines that a command prints at a terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = {**stack.environment(), "TERM": "dumb"}
    environ.pop("COLUMNS", None)
    with subprocess.Popen(stack.command(*arguments), stdout=slave, stdin=slave, stderr=subprocess.DEVNULL, env=environ) as process:
        os.close(slave)
        written = b""
        with contextlib.suppress(OSError):  # Linux's word for the end of a terminal
            while read := os.read(master, 65536):
                written += read
        os.close(master)
        process.wait(30)
    return written.decode().splitlines()
