"""After the storm: heal, pull once, and judge what is there."""

from __future__ import annotations

import asyncio
import time

from support.faults import checker
from support.faults.workload import Workload
from support.stack import Stack


async def heal(stack: Stack, work: Workload) -> tuple[set[str], set[str]]:
    """What was acknowledged, and what of that isn't in the ledger, before and after the one pull."""
    await checker.healed(stack, work.teller)
    acknowledged = await checker.acknowledged_events(work.teller) | set(work.grants.acknowledged)
    before = checker.compare(set(), acknowledged, checker.ledger_ids(stack)).lost
    digest = checker.ledger_digest(stack)
    await _pull(stack)
    await checker.folded(stack)
    assert checker.ledger_digest(stack, digest[0]) == digest, "the ledger's past has changed"
    return acknowledged, before


async def _pull(stack: Stack) -> None:
    """One pull; a replica that died over another one holds its lease for a minute."""
    deadline = time.monotonic() + 90
    while True:
        pulled = await asyncio.to_thread(stack.atlas, "pull", "--since", "24h")
        if pulled.returncode == 0:
            return
        assert "Another pull is running" in pulled.stderr and time.monotonic() < deadline, pulled.stdout + pulled.stderr
        await asyncio.sleep(2)


async def judge(stack: Stack, work: Workload, acknowledged: set[str]) -> tuple[checker.Findings, set[str], int]:
    """What is wrong, the Stripe events attempted, and how many facts there are."""
    attempted, final = await checker.attempted_events(work.teller), checker.ledger_ids(stack)
    findings = checker.compare(attempted, acknowledged, final)
    findings.duplicated += await asyncio.to_thread(checker.stored_twice, stack)
    findings.wrong += work.wrong
    findings.wrong += await checker.entitled_as_they_should_be(work)
    findings.wrong += checker.paid_sessions_wrongly_known(stack, work)
    findings.wrong += await asyncio.to_thread(checker.announced_wrongly, stack)
    findings.wrong += await asyncio.to_thread(checker.operators_findings, stack)
    return findings, attempted, len(final)
