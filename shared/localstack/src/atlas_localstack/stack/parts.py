"""How each program is started, checked and stopped; the servers are in `brokers` and `databases`."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping

from atlas_localstack.servers import prometheus
from atlas_localstack.servers.ports import LOOPBACK
from atlas_localstack.servers.process import spawn
from atlas_localstack.stack import logs
from atlas_localstack.stack.brokers import broker_parts
from atlas_localstack.stack.databases import Databases
from atlas_localstack.stack.part import Part
from atlas_localstack.stack.plan import MODULES, PROMETHEUS, SANDBOX, SERVICES, Plan, environment
from atlas_localstack.stack.readiness import ask
from atlas_localstack.stack.topology import all_of, kind_of
from atlas_operator.local import WORKSPACE

WAITING_CONNECTIONS = 2048


def build(plan: Plan, databases: Databases) -> dict[str, Part]:
    """All parts of a stack, by name."""
    servers = [*broker_parts(plan), *databases.parts()]
    shared = {kind: SharedSocket(plan.port(kind)) for kind in SERVICES} if plan.topology.replicas > 1 else {}
    programs = [_program(plan, name, shared.get(kind_of(name))) for name in plan.parts if kind_of(name) in MODULES]
    observers = [_prometheus(plan)] if plan.observe else []
    return {part.name: part for part in [*servers, *programs, *observers]}


class SharedSocket:
    """The listening socket of all replicas of a service; this process holds it, so that it outlives each of them.

    The kernel gives a new connection to a replica that accepts it. With a socket for each (SO_REUSEPORT) it deals them
    out beforehand: measured with one of two replicas paused, half of the new connections waited, and were reset when it
    died; with one socket none.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def descriptor(self) -> int:
        """Listens from the first call on."""
        if self._socket is None:
            self._socket = socket.create_server((LOOPBACK, self._port), backlog=WAITING_CONNECTIONS)
        return self._socket.fileno()


def _program(plan: Plan, name: str, shared: SharedSocket | None) -> Part:
    kind, port = kind_of(name), plan.own_port(name) if shared else plan.port(name)
    argv = [sys.executable, "-m", MODULES[kind], "--host", LOOPBACK, "--port", str(port)]
    argv += ["--state-dir", str(plan.home.sandbox_data)] if kind == SANDBOX else []

    def start() -> subprocess.Popen[bytes]:
        variables: Mapping[str, str] = environment(plan, name)
        inherited = [shared.descriptor()] if shared else []
        sharing = ["--listen-fd", str(inherited[0])] if shared else []
        with logs.open_for_append(plan.home.log(name)) as log:
            return spawn([*argv, *sharing], env=variables, log=log, cwd=WORKSPACE, inherited=inherited)

    async def ready(_: subprocess.Popen[bytes]) -> tuple[bool, str]:
        return await ask(port)

    return Part(name, start, ready)


def _prometheus(plan: Plan) -> Part:
    config, data = plan.home.path / "run" / "prometheus.json", plan.home.path / "data" / PROMETHEUS
    rules = WORKSPACE / "deploy" / "observability" / "alerts.yml"

    def prepare() -> None:
        config.parent.mkdir(parents=True, exist_ok=True)
        targets = {service: _targets(plan, service) for service in SERVICES}
        config.write_text(prometheus.configuration(targets, rules))

    def start() -> subprocess.Popen[bytes]:
        with logs.open_for_append(plan.home.log(PROMETHEUS)) as log:
            return prometheus.start(config, data, plan.ports.prometheus, log)

    async def ready(_: subprocess.Popen[bytes]) -> tuple[bool, str]:
        return await ask(plan.ports.prometheus, "/-/ready")

    return Part(PROMETHEUS, start, ready, prepare)


def _targets(plan: Plan, service: str) -> list[str]:
    """Where each replica of a service gives its own figures."""
    if plan.topology.replicas == 1:
        return [f"{LOOPBACK}:{plan.port(service)}"]
    return [f"{LOOPBACK}:{plan.own_port(name)}" for name in all_of(service, plan.topology.replicas)]
