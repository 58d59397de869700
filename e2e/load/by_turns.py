"""What a change costs: the webhook benchmark by turns in two trees, and in this one with spans sent to a receiver.

    python e2e/load/by_turns.py --beside OTHER_TREE [--rounds 12] [--events 4000] [--connections 16] [--with-some]

OTHER_TREE has its own .venv. Each round runs every variant once, in an order that turns with the rounds, so that what else the
machine does falls on all alike. Compared is what webhook-ingest needs of processor time per event: rates depend on the others.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from support.otlp import receiving

SOME = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.05"}
TRIES = 5
"""On a busy machine a server may need longer to start than the benchmark waits."""


@dataclass
class Variant:
    """One tree with one environment, and what its rounds gave: processor time in µs per event, and events/s."""

    name: str
    tree: Path
    environment: dict[str, str]
    cpu: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def run(self, events: int, connections: int) -> None:
        command = [".venv/bin/python", "e2e/load/webhook_bench.py", "--only", "atlas", "--json"]
        command += ["--events", str(events), "--connections", str(connections)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        for _ in range(TRIES):
            done = subprocess.run(command, cwd=self.tree, env={**kept, **self.environment}, capture_output=True, text=True)
            if done.returncode == 0:
                break
        [figures] = json.loads(done.stdout)
        assert not figures["not_ok"], figures
        self.cpu.append(figures["cpu_us"][0])
        self.rates.append(figures["rate"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--events", type=int, default=4000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--with-some", action="store_true", help="also with one trace in twenty recorded")
    options = parser.parse_args()
    with receiving() as receiver:
        variants = [
            Variant("before", options.beside.resolve(), {}),
            Variant("off", ROOT, {}),
            Variant("on", ROOT, {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}),
            Variant("on, 5 %", ROOT, {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **SOME}),
        ][: 4 if options.with_some else 3]
        for number in range(options.rounds):
            turn = number % len(variants)
            for variant in variants[turn:] + variants[:turn]:
                variant.run(options.events, options.connections)
            print(f"round {number + 1}: " + ", ".join(f"{v.name} {v.cpu[-1]:.0f} µs {v.rates[-1]:.0f}/s" for v in variants), flush=True)
        print(f"{len(receiver.spans)} spans received")
    for variant in variants:
        told = f"{variant.name:8} {statistics.median(variant.cpu):6.0f} µs ({min(variant.cpu):.0f} to {max(variant.cpu):.0f}), {statistics.median(variant.rates):6.0f}/s"
        ratios = [mine / before for mine, before in zip(variant.cpu, variants[0].cpu, strict=True)]
        half = statistics.quantiles(ratios, n=4)
        print(f"{told}; beside before in the same round: {statistics.median(ratios):.3f}, half of the rounds {half[0]:.3f} to {half[2]:.3f}")


if __name__ == "__main__":
    main()
