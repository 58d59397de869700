"""Processor time of the webhook's own code, by turns in two trees, without sockets and broker, which make most of the noise.

    python e2e/load/webhook_path.py --beside OTHER_TREE [--rounds 30]

Edge, signature, mapping, publishing and log line are the service's; the broker is one that confirms at once. OTHER_TREE has its own .venv.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
EVENTS, CHUNKS = 400, 5
SECRET = "whsec_path"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    if options.beside is None:
        print(measured())
        return
    trees = {"before": options.beside.resolve(), "off": HERE.parents[1]}
    found: dict[str, list[float]] = {name: [] for name in trees}
    for number in range(options.rounds):
        for name in sorted(trees, reverse=bool(number % 2)):
            run = [trees[name] / ".venv/bin/python", __file__]
            found[name].append(float(subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()[-1]))
    ratios = [off / before for before, off in zip(found["before"], found["off"], strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    for name, figures in found.items():
        print(f"{name:7} {statistics.median(figures):6.1f} µs of processor time per event ({min(figures):.1f} to {max(figures):.1f})")
    print(f"off beside before in the same round: {statistics.median(ratios):.4f}, half of the rounds {low:.4f} to {high:.4f}; {options.rounds} rounds")


def measured() -> float:
    """µs per event: the least of some chunks, so that what else the machine does counts little."""
    sys.path[:0] = [str(HERE)]
    from pydantic import SecretStr
    from webhook_events import event_body, signature

    from atlas_kit.http.app import with_edge
    from atlas_kit.messaging.broker import Broker, Stored
    from atlas_kit.messaging.group_commit import GroupCommit
    from atlas_kit.process import logs
    from atlas_stripe.signature import SignatureVerifier
    from webhook_ingest.entrypoints.webhook import WEBHOOK_PATH, WebhookEndpoint
    from webhook_ingest.use_cases.admit import Door

    class Confirming(Broker):
        """Also as trees before 27 November 2026 ask, for ``--beside``."""

        sequence = 0
        client = property(lambda self: self)  # type: ignore[assignment] # the broker itself stands in for its client, so that nothing is sent

        async def store(self, *_message: object, seconds: float) -> Stored:
            self.sequence += 1
            return Stored(self.sequence, duplicate=False)

        def ask(self, _messages: object, heard: Callable[[bytes], None], *, until: float) -> None:
            self.sequence += 1
            asyncio.get_running_loop().call_soon(heard, b'{"stream":"BILLING", "seq":%d}' % self.sequence)

    class Shares:
        def count(self, _reason: str | None = None) -> None: ...

    async def run() -> float:
        from atlas_contracts.streams import BILLING, PARKED

        broker: Any = Confirming(SecretStr(""), "bench")
        door = Door(False, GroupCommit(broker, BILLING), GroupCommit(broker, PARKED))
        app = with_edge(WebhookEndpoint(None, SignatureVerifier((SECRET.encode(),), 300), door, Shares()), max_body_bytes=2**18)  # type: ignore[arg-type]  # Shares stands in for the counters, which publish
        least = float("inf")
        for chunk in range(CHUNKS):
            bodies = [event_body(chunk * EVENTS + number, "path") for number in range(EVENTS)]
            signed = [(body, signature(body, SECRET).encode()) for body in bodies]
            began = time.process_time()
            for body, header in signed:
                await asyncio.create_task(one(app, body, header))
            least = min(least, (time.process_time() - began) / EVENTS * 1e6)
        return least

    async def one(app: Any, body: bytes, header: bytes) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            assert message.get("status", 200) == 200

        headers = [(b"host", b"h"), (b"content-length", b"%d" % len(body)), (b"stripe-signature", header)]
        await app({"type": "http", "method": "POST", "path": WEBHOOK_PATH, "headers": headers, "state": {}}, receive, send)

    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        logs.configure("bench")
        return asyncio.run(run())


if __name__ == "__main__":
    main()
