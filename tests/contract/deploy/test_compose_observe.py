"""The overlay with Prometheus and Grafana, as Compose reads it; its containers could not be started where this was made."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support import docker, prometheus
from support.stack import WORKSPACE

SERVICES = ("account-gateway", "webhook-ingest", "checkout", "entitlements")


@functools.cache
def read_by_compose() -> dict[str, Any]:
    """Both files together, all profiles; the engine isn't asked. Skips the test without `docker compose`."""
    there = shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    if not there:
        assert not docker.required("docker"), "ATLAS_REQUIRE=docker, but there is no `docker compose`"
        pytest.skip("there is no `docker compose`")
    files = ["-f", "docker-compose.yml", "-f", "deploy/compose.observe.yml"]
    done = subprocess.run(
        ["docker", "compose", "--env-file", os.devnull, *files, "--profile", "grafana", "config", "--format", "json"],
        cwd=WORKSPACE, env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)["services"]
    return read


def test_every_target_is_a_service_on_its_port_that_prometheus_shares_a_network_with() -> None:
    services = read_by_compose()
    targets = re.findall(r'targets: \["([\w-]+):(\d+)"\]', (prometheus.OBSERVABILITY / "prometheus.yml").read_text())
    assert [name for name, _ in targets] == list(SERVICES)
    for name, port in targets:
        assert services[name]["networks"].keys() & services["prometheus"]["networks"].keys(), name
        assert port == str(8000 + SERVICES.index(name))
    assert services["grafana"]["networks"].keys() & services["prometheus"]["networks"].keys()


def test_what_is_mounted_is_there_and_nothing_is_reachable_from_elsewhere() -> None:
    for name in ("prometheus", "grafana"):
        part = read_by_compose()[name]
        bound = [volume for volume in part["volumes"] if volume["type"] == "bind"]
        assert bound and all(Path(volume["source"]).exists() and volume["read_only"] for volume in bound), name
        assert [port["host_ip"] for port in part["ports"]] == ["127.0.0.1"], name
    assert read_by_compose()["grafana"]["profiles"] == ["grafana"]


def test_the_endpoint_for_spans_reaches_every_service() -> None:
    told = {name: read_by_compose()[name]["environment"].get("OTEL_EXPORTER_OTLP_ENDPOINT") for name in SERVICES}
    assert told == dict.fromkeys(SERVICES, "http://collector:4318")


def test_prometheus_own_tool_reads_the_configuration_with_its_rules() -> None:
    prometheus.needed()
    done = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"], cwd=prometheus.OBSERVABILITY, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules found" in done.stdout
