"""The supervisor's process: `python -m atlas_localstack.stack`, started by `./atlas up`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from atlas_kit.process.loading import loading

with loading():
    from atlas_contracts.issuers import OPERATOR
    from atlas_localstack.servers.errors import ServerError
    from atlas_localstack.servers.ports import is_free, listener
    from atlas_localstack.stack import configuration, leftovers, permissions, roles, state
    from atlas_localstack.stack.generated import keys_of, ports_of, secrets_of
    from atlas_localstack.stack.home import Home, take
    from atlas_localstack.stack.plan import DESK, OFFSETS, SANDBOX, SIGNERS, Plan, further_ports
    from atlas_localstack.stack.state import StartFailure, State
    from atlas_localstack.stack.supervisor import PartFailed, Supervisor
    from atlas_localstack.stack.topology import Topology
    from atlas_operator.errors import KeysRefused
    from atlas_operator.files import write_json

EXIT_FAILED = 1
EXIT_ALREADY_RUNNING = 3
ORPHAN_CHECK_SECONDS = 0.5


def main() -> int:
    """Run one stack until it is told to stop. The state file says what happened; nobody reads the exit code."""
    parser = argparse.ArgumentParser(prog="atlas_localstack.stack")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port-base", type=int, required=True)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--observe", action="store_true", help="start a Prometheus that watches the stack")
    parser.add_argument("--brokers", type=int, default=1, help="nodes of the broker's cluster")
    parser.add_argument("--replicas", type=int, default=1, help="processes of each service")
    parser.add_argument("--standby", action="store_true", help="start a second Postgres that follows the first")
    parser.add_argument("--no-desk", dest="desk", action="store_false", help="start no support desk")
    parser.add_argument("--attached-to", type=int, default=None, help="stop when this process is gone")
    options = parser.parse_args()
    home = Home(options.home)
    lock = take(home)
    if lock is None:
        return EXIT_ALREADY_RUNNING
    current = State(supervisor=os.getpid(), port_base=options.port_base, began=time.time())
    state.save(home, current)
    try:
        topology = Topology(options.brokers, options.replicas, options.standby)
        plan = _prepare(home, options.port_base, options.fresh, os.environ, topology, options.desk)
        plan = replace(plan, observe=options.observe)
        asyncio.run(_supervise(plan, current, options.attached_to))
    except PartFailed as error:
        return _fail(home, current, error.failure)
    except ServerError as error:
        return _fail(home, current, StartFailure(error.message, error.remedy, error.log))
    except (configuration.StackConfigurationError, KeysRefused) as error:
        return _fail(home, current, StartFailure(str(error)))
    except Exception as error:  # noqa: BLE001 - the last place where an unexpected error can be reported
        traceback.print_exc()
        return _fail(home, current, StartFailure(f"{type(error).__name__}: {error}", "See logs/supervisor.log."))
    current.phase = state.STOPPED
    state.save(home, current)
    lock.close()
    return 0


def _fail(home: Home, current: State, failure: StartFailure) -> int:
    current.phase, current.failure = state.FAILED, failure
    print(failure.reason, failure.remedy, *failure.log, sep="\n", file=sys.stderr)
    state.save(home, current)
    return EXIT_FAILED


def _prepare(home: Home, port_base: int, fresh: bool, given: Mapping[str, str], topology: Topology, desk: bool) -> Plan:
    configuration.check(given)
    for name in leftovers.end(home):
        print(f"stopped a process that was left from an earlier run: {name}", file=sys.stderr)
    for file in (home.stack_file, home.desk_link_file):
        file.unlink(missing_ok=True)
    if fresh:
        home.wipe()
    home.create()
    _check_store(home, topology)
    secrets = secrets_of(home, (*roles.ROLES, roles.REPLICATOR), tuple(permissions.GRANTS))
    stripe = configuration.stripe(given, secrets.stripe_key, secrets.stripe_webhook)
    _check_ports(port_base, {SANDBOX: stripe.sandbox, DESK: desk})
    keys = keys_of(home, SIGNERS)
    ports = ports_of(home, further_ports(topology), [port_base + offset for offset in OFFSETS.values()])
    plan = Plan(home, port_base, ports, secrets, keys, stripe, given, desk=desk, topology=topology)
    told = {
        "signing_key": plan.signing_key(OPERATOR),
        "nats_admin_url": plan.nats_url("keeper"),
        "nats_readers_admin_url": plan.nats_url("mirrors"),
        "retention": configuration.retention(given),
    }
    write_json(home.operator_file, told)
    return plan


def _check_store(home: Home, topology: Topology) -> None:
    """Refuse the store of one server to a cluster, and a cluster's to one server: either would begin empty."""
    single, cluster = home.broker_store.exists(), home.node_store(1).exists()
    if topology.brokers > 1 and single:
        raise ServerError(
            "The broker's data here are those of one server, which a cluster can't take over.",
            f"./atlas up --fresh --brokers {topology.brokers} deletes all local data and starts anew.",
        )
    if topology.brokers == 1 and cluster:
        raise ServerError(
            "The broker's data here are those of a cluster of three.",
            "./atlas up --brokers 3 goes on with them; ./atlas up --fresh deletes all local data and starts anew.",
        )


def _check_ports(port_base: int, wanted: Mapping[str, bool]) -> None:
    """Refuse ports that something else has; of parts that aren't ``wanted`` the ports don't matter."""
    for part, offset in OFFSETS.items():
        port = port_base + offset
        if wanted.get(part, True) and not is_free(port):
            holder = listener(port)
            raise ServerError(
                f"Port {port}, meant for {part}, is taken{f' by {holder}' if holder else ''}.",
                f"Stop that program, or choose other ports: ./atlas up --port-base {port_base + 100}",
            )


async def _supervise(plan: Plan, current: State, attached_to: int | None) -> None:
    supervisor = Supervisor(plan, current)
    loop = asyncio.get_running_loop()
    for ask in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(ask, supervisor.ask_to_stop)
    watch = asyncio.create_task(_stop_when_orphaned(supervisor, attached_to)) if attached_to else None
    try:
        await supervisor.run()
    except PartFailed as error:
        current.phase, current.failure = state.FAILED, error.failure
        raise
    finally:
        if watch:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch


async def _stop_when_orphaned(supervisor: Supervisor, parent: int) -> None:
    """Stop the stack when the `./atlas up` that started it is gone (killed, or its terminal was closed)."""
    while os.getppid() == parent:  # noqa: ASYNC110 - the kernel sends no event for this, so it is polled
        await asyncio.sleep(ORPHAN_CHECK_SECONDS)
    supervisor.ask_to_stop()


if __name__ == "__main__":
    sys.exit(main())
