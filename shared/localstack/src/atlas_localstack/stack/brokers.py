"""The broker: one server, or the nodes of a cluster, which store every stream three times."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from atlas_contracts.streams import OUR_ACCOUNT
from atlas_localstack.servers import broker
from atlas_localstack.servers.broker import BrokerSettings, Routes
from atlas_localstack.servers.errors import ServerError
from atlas_localstack.stack import logs, permissions
from atlas_localstack.stack.part import Part
from atlas_localstack.stack.plan import Plan, keeper_environment
from atlas_localstack.stack.readiness import ask
from atlas_localstack.stack.topology import all_of, number_of
from atlas_operator.local import WORKSPACE

HEALTHY = "/healthz"
"""Answers 200 once a server has its streams; of a cluster, once it knows a leader and has caught up with it."""


def broker_parts(plan: Plan) -> list[Part]:
    """One part, or one for each node."""
    keeping = _Keeping(plan)
    return [_part(plan, name, keeping) for name in all_of("nats", plan.topology.brokers)]


def _part(plan: Plan, name: str, keeping: _Keeping) -> Part:
    settings = _settings(plan, name)
    config = plan.home.node_config(name)

    def prepare() -> None:
        config.touch(mode=0o600)
        config.write_text(broker.configuration(settings))
        if settings.routes is None:
            broker.adopt_store(settings.store, OUR_ACCOUNT)

    def start() -> subprocess.Popen[bytes]:
        with logs.open_for_append(plan.home.log(name)) as log:
            return broker.start(config, log)

    async def ready(process: subprocess.Popen[bytes]) -> tuple[bool, str]:
        answer = await ask(settings.monitor_port, HEALTHY)
        if answer[0]:
            await keeping.after_start_of(process.pid)
        return answer

    return Part(name, start, ready, prepare)


def _settings(plan: Plan, name: str) -> BrokerSettings:
    number, accounts = number_of(name), permissions.accounts(plan.secrets.nats)
    port, monitor = plan.server_port("nats", number), plan.server_port("nats_monitor", number)
    if plan.topology.brokers == 1:
        return BrokerSettings(port, monitor, plan.home.broker_store, accounts)
    routes = tuple(plan.server_port("nats_route", other) for other in range(1, plan.topology.brokers + 1))
    return BrokerSettings(
        port,
        monitor,
        plan.home.node_store(number),
        accounts,
        name=f"atlas-dev-{number}",
        routes=Routes(routes[number - 1], routes, plan.secrets.nats_routes),
    )


class _Keeping:
    """Gives streams their retention, and readers their mirrors, after each start of a server: its store may be new.

    In a cluster it is done by the last node that becomes healthy: making a stream of three copies takes three nodes.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._done: set[int] = set()
        self._doing = asyncio.Lock()

    async def after_start_of(self, pid: int) -> None:
        """Raises ServerError where it can't be done."""
        if pid in self._done:
            return
        async with self._doing:
            others = range(1, self._plan.topology.brokers + 1)
            answers = [await ask(self._plan.server_port("nats_monitor", number), HEALTHY) for number in others]
            if self._plan.topology.brokers == 1 or all(ready for ready, _ in answers):
                await _give_retention(self._plan)
            self._done.add(pid)


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
