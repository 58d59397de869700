"""What one event costs: microseconds of processor time per event and process, beside the obvious design in the same run.

    python e2e/load/cost.py [--rounds 3] [--rates 20 200] [--seconds 10] [--connections 16 64] [--events 3000]
                            [--idle 5] [--only atlas obvious quick lean] [--profile FOLDER] [--json]

Starts everything by itself: the whole product as `./atlas up` does, the obvious design (`obvious_design.py`), a sensible fast
one (`quick_design.py`) and the leanest peer that still stores (`lean_design.py`), the peers on a Postgres of their own with fsync on. In every round the designs take
turns, so that whatever else the machine does meets all of them. Then webhooks at a steady rate whose buyers look at the gateway.

Processor time is user and system of each process and its children, all that the events cause included: it is read when the
last entitlement is committed and announced. `idle` is what the same processes spend in a second without any event.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import uvloop

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests")]

from paced import Pace, paced, quantile
from processor_time import per_event, profiled, snapshot
from webhook_bench import SECRET, load, serving

from account_gateway.session.mint import mint_token
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.embedded import embedded_postgres
from support.stack import eventually, running_stack

PEERS = {"obvious": "obvious_design:app", "quick": "quick_design:app", "lean": "lean_design:app"}
SETTLED_SECONDS = 120
VISIBLE_RATE = 200


@dataclass(frozen=True)
class Design:
    """One of those that are compared: where its webhooks go, and which processes it consists of."""

    name: str
    port: int
    secret: str
    pids: Mapping[str, int]
    stack: Mapping[str, Any] | None = None

    def settle(self, first: int, count: int) -> None:
        """Wait until what these users' events cause is done; a peer has done it when it answers."""
        if self.stack is None:
            return
        users = [f"user_{number}" for number in range(first, first + count)]
        asked = "SELECT (SELECT count(*) FROM entitlements WHERE user_id = ANY(%s)), (SELECT count(*) FROM outbox)"
        with psycopg.connect(self.stack["postgres"]["databases"]["entitlements"], autocommit=True) as connection:
            deadline = time.monotonic() + SETTLED_SECONDS
            while connection.execute(asked, (users,)).fetchone() != (count, 0):
                if time.monotonic() > deadline:
                    raise SystemExit(f"not folded and announced after {SETTLED_SECONDS} s")
                time.sleep(0.1)


@contextlib.contextmanager
def product() -> Iterator[Design]:
    with running_stack() as stack:
        # The first pull of an installation reads thirty days of Stripe's list, five seconds after the start.
        log = stack.home / "logs" / "webhook-ingest.log"
        eventually(lambda: '"billing.pull.done"' in log.read_text(), what="the end of the first pull")
        told = stack.json
        parts = {**told["services"], "nats-server": told["nats"], "Postgres": told["postgres"]}
        pids = {name: int(part["pid"]) for name, part in parts.items()}
        yield Design("atlas", _port(told["webhook"]["url"]), told["webhook"]["secret"], pids, told)


@contextlib.contextmanager
def peer(name: str) -> Iterator[Design]:
    port = free_port()
    with embedded_postgres(durable=True) as postgres:
        dsn = postgres.create_database()
        with psycopg.connect(dsn) as connection:
            folder = str(connection.execute("SHOW data_directory").fetchone()[0])
        postmaster = int((Path(folder) / "postmaster.pid").read_text().splitlines()[0])
        arguments = ["-m", "uvicorn", PEERS[name], "--port", str(port), "--log-level", "warning", "--no-access-log"]
        with serving(arguments, {"DATABASE_URL": dsn, "STRIPE_WEBHOOK_SECRET": SECRET}, port, "/docs") as service:
            yield Design(name, port, SECRET, {"service": service.pid, "Postgres": postmaster})


def _port(url: str) -> int:
    return int(url.split(":")[2].partition("/")[0])


class Runs:
    """Runs loads against the designs, and keeps what they gave."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self._next = int(time.time()) * 1_000_000
        self.figures: dict[str, list[dict[str, float]]] = defaultdict(list)

    def users(self, count: int) -> int:
        """The number of the first of so many users that no other run has."""
        first, self._next = self._next, self._next + count
        return first

    def idle(self, design: Design) -> None:
        before = snapshot(design.pids)
        time.sleep(self.options.idle)
        self._keep(f"{design.name} idle", per_event(before, snapshot(design.pids), self.options.idle), {})

    def steady(self, design: Design, rate: int) -> None:
        count = int(rate * self.options.seconds)
        first, label = self.users(count), f"{design.name} {rate}/s"
        with self._measured(design, label, first, count) as told:
            pace = uvloop.run(paced(design.port, design.secret, rate, first, count))
            told |= _answers(pace)

    def flat_out(self, design: Design, connections: int) -> None:
        count, label = self.options.events, f"{design.name} {connections} connections"
        first = self.users(count)
        with self._measured(design, label, first, count) as told:
            figures = uvloop.run(load(design.port, count, connections, secret=design.secret, first=first))
            told |= {"rate": figures.rate, "p50": figures.p50, "p99": figures.p99, "not 200": figures.not_ok}

    def visible(self, design: Design) -> None:
        """How soon buyers see Pro; every fourth one looks, every 5 ms."""
        if design.stack is None:
            return
        count = int(VISIBLE_RATE * self.options.seconds)
        auth, gateway, first = design.stack["auth"], _port(design.stack["services"]["account-gateway"]["url"]), self.users(count)

        def look(number: int) -> bytes:
            cookie = f"{auth['cookie']}={mint_token(f'user_{number}', auth['nextauth_secret'])}"
            return f"GET /api/pro/entitlement HTTP/1.1\r\nHost: {LOOPBACK}\r\nCookie: {cookie}\r\n\r\n".encode()

        pace = uvloop.run(
            paced(design.port, design.secret, VISIBLE_RATE, first, count, look=look, gateway=gateway, every=4)
        )
        told = {"p50": quantile(pace.visible, 0.5), "p99": quantile(pace.visible, 0.99)}
        self._keep(f"{design.name} Pro visible at {VISIBLE_RATE}/s", {}, told)

    @contextlib.contextmanager
    def _measured(self, design: Design, label: str, first: int, count: int) -> Iterator[dict[str, float]]:
        told: dict[str, float] = {}
        with profiled(design.pids, self.options.profile, label.replace(" ", "-").replace("/", "-")):
            before = snapshot(design.pids)
            yield told
            design.settle(first, count)
            after = snapshot(design.pids)
        self._keep(label, per_event(before, after, count), told)

    def _keep(self, label: str, cost: Mapping[str, float], told: Mapping[str, float]) -> None:
        total = {"all": sum(cost.values())} if cost else {}
        self.figures[label].append({**told, **{f"µs {name}": value for name, value in {**total, **cost}.items()}})
        if not self.options.json:
            print(f"{label:32} {_worded(self.figures[label][-1])}", flush=True)


def _answers(pace: Pace) -> dict[str, float]:
    return {"p50": quantile(pace.answered, 0.5), "p99": quantile(pace.answered, 0.99), "not 200": pace.not_ok}


def _worded(figures: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:,.{1 if name in ('p50', 'p99') else 0}f}" for name, value in figures.items())


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def ratios(found: Mapping[str, Mapping[str, float]], connections: Sequence[int], peers: Sequence[str]) -> dict[str, float]:
    """Ours by each peer's: requests per second, processor time per event at the highest rate, and p99 there."""
    told = {}
    for name in peers:
        for count in connections:
            told[f"webhook, {count} connections ÷ {name}"] = (
                found[f"atlas {count} connections"]["rate"] / found[f"{name} {count} connections"]["rate"]
            )
        for label in [label for label in found if label.startswith("atlas ") and label.endswith("/s") and "visible" not in label]:
            other = found[label.replace("atlas", name, 1)]
            for what in ("µs all", "p99"):
                told[f"{what}, {label.removeprefix('atlas ')} ÷ {name}"] = found[label][what] / other[what]
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rates", type=int, nargs="*", default=[20, 200])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, nargs="*", default=[16, 64])
    parser.add_argument("--events", type=int, default=3_000)
    parser.add_argument("--idle", type=int, default=5, help="seconds without any event that are measured first; 0 for none")
    parser.add_argument("--only", choices=["atlas", *PEERS], nargs="+", default=["atlas", *PEERS])
    parser.add_argument("--profile", type=Path, help="a folder for a profile of each Python process; costs time, so figures are higher")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    runs = Runs(options)
    with contextlib.ExitStack() as stack:
        designs = [stack.enter_context(product() if name == "atlas" else peer(name)) for name in options.only]
        for design in designs:
            warm = runs.users(400)
            uvloop.run(load(design.port, 400, 16, secret=design.secret, first=warm))
            design.settle(warm, 400)
        for design in designs if options.idle else []:
            runs.idle(design)
        for _ in range(options.rounds):
            for rate in options.rates:
                for design in designs:
                    runs.steady(design, rate)
            for connections in options.connections:
                for design in designs:
                    runs.flat_out(design, connections)
            for design in designs:
                runs.visible(design)
    found = {label: medians(rounds) for label, rounds in runs.figures.items()}
    compared = ratios(found, options.connections, [name for name in options.only if name != "atlas"]) if "atlas" in options.only else {}
    if options.json:
        print(json.dumps({"medians": found, "ratios": compared}))
        return
    print(f"\nmedians of {options.rounds}")
    for label, figures in found.items():
        print(f"{label:32} {_worded(figures)}")
    for what, ratio in compared.items():
        print(f"{what:44} {ratio:.2f}")


if __name__ == "__main__":
    main()
