"""The TypeScript kit against a whole system: its journey runs in node (clients/typescript/test/stack)."""

from __future__ import annotations

import re

from support import node
from support.stack import Stack


def test_the_kit_buys_watches_restores_and_is_refused_as_it_promises(stack: Stack) -> None:
    kit = node.typescript_kit()
    where = {
        "ATLAS_GATEWAY": stack.url("account-gateway"),
        "ATLAS_SANDBOX": stack.url("sandbox"),
        "ATLAS_SANDBOX_KEY": stack.json["sandbox"]["secret_key"],
    }

    said = node.node("--test", "--test-reporter=tap", "test/stack/journey.test.js", cwd=kit, more=where)

    assert re.findall(r"^# (?:pass|fail|skipped) (\d+)$", said, re.MULTILINE) == ["4", "0", "0"], said
