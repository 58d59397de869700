"""Another Atlas service hears of a purchase: the documented example, run as it stands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client

from atlas_contracts.streams import ENTITLEMENTS
from support.buyer import Buyer
from support.entitlements import on_broker
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


def test_the_listener_forgets_whom_atlas_forgets_and_hears_of_them_when_they_come_back(stack: Stack, buyer: Buyer, heard: Path) -> None:
    buyer.refund(buyer.buy())
    eventually(lambda: f"{buyer.user} is not Pro (refunded)" in heard.read_text(), what="version 2 is heard")
    assert stack.atlas("forget", buyer.user, "--yes").returncode == 0
    eventually(lambda: f"{buyer.user} was forgotten" in heard.read_text(), what="the marker in the bucket is heard")

    buyer.buy()
    since = f"{buyer.user} was forgotten\n"
    eventually(lambda: f"{buyer.user} is Pro (purchase)" in heard.read_text().partition(since)[2], what="version 1 of the new life is heard")


def test_the_listener_refuses_what_is_no_event(stack: Stack, buyer: Buyer, heard: Path) -> None:
    """A copy of a message that says what it is a copy of, as the broker's answers to direct reads do."""
    buyer.buy()
    eventually(lambda: f"{buyer.user} is Pro" in heard.read_text(), what="the grant is heard")

    async def plant(client: Client) -> None:
        found = json.loads((await client.jetstream().get_last_msg(ENTITLEMENTS.name, ENTITLEMENTS.subjects[0])).data)
        for user, headers in ((f"{buyer.user}-copied", {"Nats-Stream": "BILLING"}), (f"{buyer.user}-heard", {})):
            found["data"] |= {"userId": user, "version": 1}
            await client.jetstream().publish("entitlements.v1.entitlement_granted", json.dumps(found).encode(), headers=headers or None)

    on_broker(stack.json["nats"]["url"], plant)
    eventually(lambda: f"{buyer.user}-heard is" in heard.read_text(), what="the same without that header is heard")
    assert f"{buyer.user}-copied" not in heard.read_text()
