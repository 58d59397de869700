"""A stack whose every connection goes through a proxy."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from atlas_localstack.servers.ports import LOOPBACK, free_port
from atlas_localstack.stack.plan import MODULES, OFFSETS, further_ports
from atlas_localstack.stack.topology import Topology, number_of, numbered
from support.faults.proxy import Link, Proxies
from support.stack import Stack, new_stack

INJECT = Path(__file__).parent / "inject"
LINKS = {
    "sandbox→webhook-ingest": ("sandbox", "webhook-ingest"),
    "webhook-ingest→nats": ("webhook-ingest", "nats"),
    "webhook-ingest→sandbox": ("webhook-ingest", "sandbox"),
    "checkout→nats": ("checkout", "nats"),
    "checkout→postgres": ("checkout", "postgres"),
    "checkout→sandbox": ("checkout", "sandbox"),
    "checkout→entitlements": ("checkout", "entitlements"),
    "entitlements→nats": ("entitlements", "nats"),
    "entitlements→postgres": ("entitlements", "postgres"),
    "entitlements→checkout": ("entitlements", "checkout"),
    "account-gateway→nats": ("account-gateway", "nats"),
    "account-gateway→checkout": ("account-gateway", "checkout"),
    "account-gateway→entitlements": ("account-gateway", "entitlements"),
}
"""Which connections go through a proxy of their own: who asks, and who is asked."""


@dataclass(frozen=True)
class Wired:
    """A running stack and its proxies."""

    stack: Stack
    proxies: Proxies

    def move_clock(self, service: str, seconds: float) -> None:
        """A service's wall clock is so far ahead (or behind) from now on; 0: right again."""
        _write_clock(_clocks(self.stack) / MODULES[service], seconds)

    def heal_clocks(self) -> None:
        """All clocks right again."""
        for service in MODULES:
            self.move_clock(service, 0.0)


@contextlib.contextmanager
def wired_stack(
    environ: Mapping[str, str] | None = None,
    wanted: Mapping[str, tuple[str, str]] = LINKS,
    topology: Topology | None = None,
) -> Iterator[Wired]:
    """A healthy stack with these links in between; of one process each, unless another topology is given."""
    shape = topology or Topology()
    with new_stack(environ) as stack:
        services = {name: stack.port_base + offset for name, offset in OFFSETS.items()}
        names = ("nats", "nats_monitor", "postgres", "prometheus", *further_ports(shape))
        servers = _distinct_ports(*names, but=(*services.values(),))
        (stack.home / "ports.json").write_text(json.dumps(servers))  # the stack keeps the ports of its last run
        targets = services | servers
        proxy_ports = _distinct_ports(*wanted, but=(*targets.values(),))
        ends = {name: (asker, targets[_door(asker, asked)]) for name, (asker, asked) in wanted.items()}
        links = {name: Link(name, proxy_ports[name], target) for name, (_, target) in ends.items()}
        routes: dict[str, dict[str, str]] = {}
        peers: dict[str, dict[str, int]] = {}
        for name, (asker, target) in ends.items():
            if asker in MODULES:
                routes.setdefault(MODULES[asker], {})[_address(target)] = _address(links[name].port)
            else:
                peers.setdefault(str(servers[_door(asker, asker)]), {})[str(target)] = links[name].port
        (stack.home / "routes.json").write_text(json.dumps(routes))
        (stack.home / "peers.json").write_text(json.dumps(peers))
        _clocks(stack).mkdir()
        for module in MODULES.values():
            _write_clock(_clocks(stack) / module, 0.0)
        stack.environ |= {
            "PYTHONPATH": str(INJECT),
            "ATLAS_FAILPOINT_ROUTES": str(stack.home / "routes.json"),
            "ATLAS_FAILPOINT_CLOCKS": str(_clocks(stack)),
            **({"ATLAS_FAILPOINT_PEERS": str(stack.home / "peers.json")} if peers else {}),
        }
        with Proxies(links) as proxies:
            stack.up(*_options(shape))
            assert json.loads((stack.home / "ports.json").read_text()) == servers, "somebody else took a port"
            yield Wired(stack, proxies)
            stack.down()


def _door(asker: str, asked: str) -> str:
    """The name of the port at which somebody is asked: nodes of the broker ask each other at one of their own."""
    return asked if asker in MODULES else numbered("nats_route", number_of(asked))


def _options(shape: Topology) -> list[str]:
    if shape.is_default:
        return []
    counted = ["--brokers", str(shape.brokers), "--replicas", str(shape.replicas)]
    return [*counted, *(["--standby"] if shape.standby else [])]


def _clocks(stack: Stack) -> Path:
    return stack.home / "clocks"


def _write_clock(path: Path, seconds: float) -> None:
    """In place: the service has it mapped."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(struct.pack("<d", seconds))


def _address(port: int) -> str:
    return f"{LOOPBACK}:{port}"


def _distinct_ports(*names: str, but: tuple[int, ...] = ()) -> dict[str, int]:
    chosen: dict[str, int] = {}
    for name in names:
        while (port := free_port()) in (*chosen.values(), *but):
            pass
        chosen[name] = port
    return chosen
