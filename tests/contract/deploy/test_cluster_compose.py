"""deploy/compose.cluster.yml says what docker-compose.yml says, with more of each; e2e/compose/test_cluster.py runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

import pytest
import yaml

from support.compose import skip_without_compose
from support.stack import WORKSPACE

FILE = WORKSPACE / "deploy" / "compose.cluster.yml"
CLUSTER = yaml.safe_load(FILE.read_text())
SINGLE = yaml.safe_load((WORKSPACE / "docker-compose.yml").read_text())
SERVICES = ("account-gateway", "webhook-ingest", "checkout", "entitlements")
BROKERS = ("nats-1", "nats-2", "nats-3")
DATABASES = ("postgres", "postgres-standby")
SAME = ("keys", "credentials", "retention", "sandbox", "desk", "operator", *SERVICES)


def part(name: str) -> dict[str, Any]:
    found: dict[str, Any] = CLUSTER["services"][name]
    return found


def test_it_has_every_part_and_more_than_one_of_what_must_not_fail() -> None:
    assert set(CLUSTER["services"]) == {*SAME, *BROKERS, *DATABASES, "load-balancer"}
    assert all(part(service)["deploy"]["replicas"] == 2 for service in SERVICES)


@pytest.mark.parametrize("name", SAME)
def test_a_part_is_told_the_same_variables_as_on_one_machine(name: str) -> None:
    there = SINGLE["services"][name].get("environment", {})
    here = part(name).get("environment", {})
    further = {"credentials": {"BROKERS", "DATABASES"}}.get(name, {"NATS_STREAM_REPLICAS"})
    assert set(there) <= set(here)
    assert set(here) - set(there) <= further
    assert here.get("NATS_STREAM_REPLICAS", 3) == 3
    differing = {variable for variable in there if here[variable] != there[variable]} - {"NATS_STREAM_REPLICAS"}
    assert all("load-balancer:" in here[variable] for variable in differing), differing
    files = SINGLE["services"][name].get("env_file", [])
    assert part(name).get("env_file", []) == [file.removeprefix("deploy/") for file in files]


@pytest.mark.parametrize("name", sorted(CLUSTER["services"]))
def test_a_part_has_no_more_rights_than_on_one_machine(name: str) -> None:
    this = part(name)
    assert (this["read_only"], this["cap_drop"]) == (True, ["ALL"])
    assert this["security_opt"] == ["no-new-privileges:true"]
    assert this.get("cap_add", []) == (["CHOWN"] if name == "credentials" else [])
    assert (this.get("user") == "0:0") == (name in ("keys", "credentials"))
    assert all(port.startswith("127.0.0.1:") for port in this.get("ports", ()))


def test_a_service_is_reached_through_the_load_balancer_alone() -> None:
    assert not [name for name in SERVICES if "ports" in part(name)]
    configuration = (WORKSPACE / "deploy" / "haproxy" / "haproxy.cfg").read_text()
    for service in SERVICES:
        [port] = re.findall(r"^EXPOSE (\d+)", (WORKSPACE / "services" / service / "Dockerfile").read_text(), re.MULTILINE)
        assert f" {service}:{port}\n" in configuration
    told = {variable: value for name in SAME for variable, value in (part(name).get("environment") or {}).items()}
    urls = {variable: re.search(r"http://load-balancer:(\d+)", str(value)) for variable, value in told.items()}
    bound = set(re.findall(r"^    bind :(\d+)", configuration, re.MULTILINE))
    assert {found[1] for found in urls.values() if found} <= bound
    assert urls["WEBHOOK_INGEST_URL"] and urls["WEBHOOK_INGEST_URL"][1] == "8081", "8001 has Stripe's path alone"


def test_brokers_and_databases_know_each_other_and_share_no_disk() -> None:
    given = part("credentials")["environment"]
    assert (given["BROKERS"].split(), given["DATABASES"].split()) == ([*BROKERS], [*DATABASES])
    assert [part(broker)["environment"]["NATS_NAME"] for broker in BROKERS] == [*BROKERS]
    assert {part(name)["environment"]["OTHER"] for name in DATABASES} == {*DATABASES}
    assert [part(name)["environment"]["FIRST"] for name in DATABASES] == ["yes", "no"]
    disks = [volume.split(":")[0] for name in (*BROKERS, *DATABASES) for volume in part(name)["volumes"] if "_data:" in volume]
    assert len(set(disks)) == len(BROKERS) + len(DATABASES)
    handed_over = {volume.split(":")[0] for volume in part("credentials")["volumes"]}
    assert {disk for disk in disks if disk.startswith("nats")} <= handed_over


def test_every_file_that_it_mounts_or_builds_exists() -> None:
    for name, each in CLUSTER["services"].items():
        mounted = [volume.split(":")[0] for volume in each.get("volumes", ()) if volume.startswith(".")]
        assert all((FILE.parent / path).exists() for path in mounted), name
        if build := each.get("build"):
            assert (FILE.parent / build["context"] / build.get("dockerfile", "Dockerfile")).exists(), name


@pytest.mark.docker
def test_compose_reads_it() -> None:
    skip_without_compose()
    command = ["docker", "compose", "-f", str(FILE), "--env-file", os.devnull, "--profile", "*", "config", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["services"]) == set(CLUSTER["services"])
