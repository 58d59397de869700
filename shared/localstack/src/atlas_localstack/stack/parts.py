"""How each part is started, checked and stopped."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from atlas_contracts.streams import OUR_ACCOUNT
from atlas_localstack.servers import binaries, broker, database, prometheus
from atlas_localstack.servers.database import Cluster
from atlas_localstack.servers.errors import ServerError
from atlas_localstack.servers.ports import LOOPBACK
from atlas_localstack.servers.process import spawn
from atlas_localstack.stack import logs, permissions, roles
from atlas_localstack.stack.plan import MODULES, PROMETHEUS, SANDBOX, SERVICES, Plan, environment, keeper_environment
from atlas_localstack.stack.readiness import ask
from atlas_operator.local import WORKSPACE

FRESH = "`./atlas up --fresh` deletes the local data and starts anew."


@dataclass(frozen=True)
class Part:
    """One process of the stack. `ready` returns whether it works, and if not, why."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    ready: Callable[[subprocess.Popen[bytes]], Awaitable[tuple[bool, str]]]
    prepare: Callable[[], None] = lambda: None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0


def build(plan: Plan) -> dict[str, Part]:
    """All parts of a stack, by name."""
    servers = [_broker(plan), _postgres(plan)]
    programs = [_program(plan, name) for name in plan.parts if name in MODULES]
    observers = [_prometheus(plan)] if plan.observe else []
    return {part.name: part for part in [*servers, *programs, *observers]}


def _program(plan: Plan, name: str) -> Part:
    argv = [sys.executable, "-m", MODULES[name], "--host", LOOPBACK, "--port", str(plan.port(name))]
    argv += ["--state-dir", str(plan.home.sandbox_data)] if name == SANDBOX else []

    def start() -> subprocess.Popen[bytes]:
        variables: Mapping[str, str] = environment(plan, name)
        with logs.open_for_append(plan.home.log(name)) as log:
            return spawn(argv, env=variables, log=log, cwd=WORKSPACE)

    async def ready(_: subprocess.Popen[bytes]) -> tuple[bool, str]:
        return await ask(plan.port(name))

    return Part(name, start, ready)


def _prometheus(plan: Plan) -> Part:
    config, data = plan.home.path / "run" / "prometheus.json", plan.home.path / "data" / PROMETHEUS
    rules = WORKSPACE / "deploy" / "observability" / "alerts.yml"

    def prepare() -> None:
        config.parent.mkdir(parents=True, exist_ok=True)
        targets = {service: f"{LOOPBACK}:{plan.port(service)}" for service in SERVICES}
        config.write_text(prometheus.configuration(targets, rules))

    def start() -> subprocess.Popen[bytes]:
        with logs.open_for_append(plan.home.log(PROMETHEUS)) as log:
            return prometheus.start(config, data, plan.ports.prometheus, log)

    async def ready(_: subprocess.Popen[bytes]) -> tuple[bool, str]:
        return await ask(plan.ports.prometheus, "/-/ready")

    return Part(PROMETHEUS, start, ready, prepare)


def _broker(plan: Plan) -> Part:
    settings = broker.BrokerSettings(
        plan.ports.nats, plan.ports.nats_monitor, plan.home.broker_store, permissions.accounts(plan.secrets.nats)
    )

    def prepare() -> None:
        plan.home.broker_config.touch(mode=0o600)
        plan.home.broker_config.write_text(broker.configuration(settings))
        broker.adopt_store(plan.home.broker_store, OUR_ACCOUNT)

    def start() -> subprocess.Popen[bytes]:
        with logs.open_for_append(plan.home.log("nats")) as log:
            return broker.start(plan.home.broker_config, log)

    kept: list[int] = []

    async def ready(process: subprocess.Popen[bytes]) -> tuple[bool, str]:
        answer = await ask(plan.ports.nats_monitor, "/healthz")
        if answer[0] and process.pid not in kept:
            await _give_retention(plan)
            kept.append(process.pid)
        return answer

    return Part("nats", start, ready, prepare)


async def _give_retention(plan: Plan) -> None:
    """Give streams of earlier runs the retention of this one, and the readers their mirrors. Raises ServerError.

    It is a program of its own, as in compose, because it needs what the supervisor can do without.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, *("-m", "atlas_kit.messaging.retention"),
        env=keeper_environment(plan), cwd=WORKSPACE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    if process.returncode:
        lines = said.decode(errors="replace").splitlines()
        wrong = [line.removeprefix("configuration: ") for line in lines if line.startswith("configuration: ")]
        raise ServerError(
            "\n".join(wrong) or "The streams could not be given their retention.", "", [] if wrong else lines[-10:]
        )


def _postgres(plan: Plan) -> Part:
    cluster = plan.cluster(binaries.postgres())
    provisioned: list[int] = []

    def prepare() -> None:
        _check(cluster)
        if not database.exists(cluster):
            database.create(cluster)

    def start() -> subprocess.Popen[bytes]:
        with logs.open_for_append(plan.home.log("postgres")) as log:
            return database.start(cluster, log)

    async def ready(process: subprocess.Popen[bytes]) -> tuple[bool, str]:
        if not database.is_ready(cluster, process):
            return False, "not accepting connections yet"
        if process.pid not in provisioned:
            await asyncio.to_thread(database.execute, cluster, roles.provision(plan.secrets.postgres))
            provisioned.append(process.pid)
        return True, ""

    return Part("postgres", start, ready, prepare, signal.SIGINT, 15.0)


def _check(cluster: Cluster) -> None:
    """Raise ServerError if the folder has something else in it than a Postgres 16 cluster: it is left untouched."""
    if not cluster.data.exists():
        return
    version = cluster.data / "PG_VERSION"
    if not version.exists() or version.read_text().strip() != "16":
        raise ServerError(f"The database directory {cluster.data} is broken, or not of Postgres 16.", FRESH)
