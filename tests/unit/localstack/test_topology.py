"""More than one process of a kind: names, ports, addresses, and what each process is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from atlas_localstack.cli import looking
from atlas_localstack.servers.broker import BrokerSettings, Routes, configuration
from atlas_localstack.stack import configuration as given_variables
from atlas_localstack.stack import description, permissions, plan, primary, roles
from atlas_localstack.stack.generated import keys_of, ports_of, secrets_of
from atlas_localstack.stack.home import Home
from atlas_localstack.stack.state import PartState
from atlas_localstack.stack.topology import Topology, all_of, kind_of, number_of, wrong
from atlas_operator.doctor import causes, pulse
from atlas_operator.doctor.pulse import Pulse

CLUSTER = Topology(brokers=3, replicas=2, standby=True)


def planned(folder: Path, topology: Topology) -> plan.Plan:
    home = Home(folder)
    home.create()
    secrets = secrets_of(home, (*roles.ROLES, roles.REPLICATOR), tuple(permissions.GRANTS))
    stripe = given_variables.stripe({}, secrets.stripe_key, secrets.stripe_webhook)
    ports = ports_of(home, plan.further_ports(topology), range(8000, 8006))
    made = plan.Plan(home, 8000, ports, secrets, keys_of(home, plan.SIGNERS), stripe, {})
    return replace(made, topology=topology)


def test_a_name_tells_its_kind_and_its_number() -> None:
    assert all_of("nats", 3) == ["nats", "nats-2", "nats-3"]
    assert [(kind_of(name), number_of(name)) for name in ("webhook-ingest", "webhook-ingest-2", "nats-3")] == [
        ("webhook-ingest", 1), ("webhook-ingest", 2), ("nats", 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("brokers", "replicas", "named"), [(2, 1, "--brokers 2"), (0, 1, "--brokers 0"), (-3, 1, "--brokers -3"), (5, 1, "--brokers 5"), (3, 0, "--replicas 0"), (1, 9, "--replicas 9")]
)  # fmt: skip
def test_what_cannot_be_meant_is_said_in_one_sentence(brokers: int, replicas: int, named: str) -> None:
    (sentence,) = wrong(brokers, replicas)
    assert sentence.startswith(named) and sentence.endswith(".") and "\n" not in sentence


def test_what_can_be_meant_is_not_refused() -> None:
    assert [*wrong(1, 1), *wrong(3, 8)] == []


def test_one_of_everything_has_the_names_ports_and_keys_that_it_always_had(tmp_path: Path) -> None:
    made = planned(tmp_path, Topology())
    assert made.parts == plan.PARTS
    assert made.ports.more == {}
    told = description.describe(made, dict.fromkeys(made.parts, 7))
    assert all(set(service) == {"url", "pid"} for service in told["services"].values())
    assert set(told["nats"]) == {"url", "pid", "observer"} and set(told["postgres"]) == {"pid", "databases"}
    assert "," not in told["nats"]["url"] + "".join(told["postgres"]["databases"].values())
    assert "NATS_STREAM_REPLICAS" not in plan.environment(made, "checkout") | plan.keeper_environment(made)


def test_a_cluster_tells_every_process_and_every_address(tmp_path: Path) -> None:
    made = planned(tmp_path, CLUSTER)
    pids = {name: number for number, name in enumerate(made.parts, 100)}
    told = description.describe(made, pids)
    assert told["services"]["checkout"]["replicas"] == [{"pid": pids["checkout"]}, {"pid": pids["checkout-2"]}]
    assert [node["pid"] for node in told["nats"]["nodes"]] == [pids["nats"], pids["nats-2"], pids["nats-3"]]
    assert told["nats"]["url"] == ",".join(node["url"] for node in told["nats"]["nodes"])
    assert len(set(told["nats"]["observer"]["url"].split(","))) == 3
    assert (told["postgres"]["pid"], told["postgres"]["standby"]) == (pids["postgres"], {"pid": pids["postgres-2"]})
    for name in ("checkout", "checkout-2"):
        environ = plan.environment(made, name)
        assert environ["NATS_STREAM_REPLICAS"] == "3" and len(environ["NATS_URL"].split(",")) == 3
        assert environ["DATABASE_URL"].endswith("/checkout?target_session_attrs=read-write")
        assert environ["DATABASE_URL"].count("127.0.0.1:") == 2
    assert plan.keeper_environment(made)["NATS_STREAM_REPLICAS"] == "3"
    taken = [made.server_port(name, number) for name in ("nats", "nats_monitor", "nats_route") for number in (1, 2, 3)]
    taken += [made.own_port(name) for service in plan.SERVICES for name in all_of(service, 2)]
    assert len(set(taken)) == 17 and not set(taken) & set(range(8000, 8006))


def test_a_promotion_is_remembered(tmp_path: Path) -> None:
    made = planned(tmp_path, CLUSTER)
    primary.set_to(made.home, "postgres-2")
    told = description.describe(made, {"postgres": 1, "postgres-2": 2})
    assert (told["postgres"]["pid"], told["postgres"]["standby"]["pid"]) == (2, 1)
    alone = planned(tmp_path, Topology())
    assert alone.home.cluster(primary.name(alone.home)).name == "postgres-2"


def test_a_ports_number_that_a_service_needs_is_given_to_no_server(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    kept = ports_of(home)
    moved = ports_of(home, taken=[kept.nats_monitor])
    assert moved.nats_monitor != kept.nats_monitor and moved.nats == kept.nats


def test_the_nodes_of_a_cluster_know_each_other_by_a_password_and_tell_clients_no_addresses(tmp_path: Path) -> None:
    routes = Routes(6001, (6001, 6002, 6003), "secret")
    written = configuration(BrokerSettings(4001, 8001, tmp_path, name="atlas-dev-1", routes=routes))
    assert "server_name: atlas-dev-1" in written and "no_advertise: true" in written and 'password: "secret"' in written
    assert all(f"nats-route://route:secret@127.0.0.1:{port}" in written for port in routes.ports)
    assert "cluster {" not in configuration(BrokerSettings(4001, 8001, tmp_path))


@pytest.mark.parametrize(
    ("down", "found"),
    [
        ([], set()),
        (["nats"], {"nats, one of 3"}),
        (["nats", "nats-3"], {"nats"}),
        (["checkout-2"], {"checkout-2, one of 2"}),
        (["checkout", "checkout-2"], {"checkout"}),
        (["postgres"], {"postgres, one of 2"}),
        (["postgres-2"], {"postgres"}),
        (["sandbox"], {"sandbox"}),
    ],
    ids=str,
)
def test_one_of_several_that_is_away_makes_nobody_wait(down: list[str], found: set[str]) -> None:
    names = ["nats", "nats-2", "nats-3", "postgres", "postgres-2", "checkout", "checkout-2", "sandbox"]
    parts = {name: PartState(health="ok") for name in names}
    parts["postgres-2"].role, parts["postgres"].role = "database, primary", "database, standby"
    seen = {name: Pulse("is gone", live=False) if name in down else pulse.WELL for name in names}
    wrong = {name: told for name, told in looking.by_kind(seen, parts).items() if told.wrong}
    assert set(wrong) == found
    assert {cause.part for cause in causes.find(looking.by_kind(seen, parts))} == found
