"""A real Prometheus on a running stack, and its tool that tests rules."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from atlas_localstack.servers import prometheus
from atlas_localstack.servers.ports import free_port
from support import docker
from support.stack import WORKSPACE, Stack, eventually

OBSERVABILITY = WORKSPACE / "deploy" / "observability"
SERVICES = ("account-gateway", "webhook-ingest", "checkout", "entitlements")
SCRAPE_SECONDS = 3


def needed() -> None:
    """Skip the test where there is no Prometheus, unless ATLAS_REQUIRE=prometheus."""
    if shutil.which("prometheus") and shutil.which("promtool"):
        return
    assert not docker.required("prometheus"), "ATLAS_REQUIRE=prometheus, but it isn't there: apt-get install prometheus"
    pytest.skip("no prometheus: apt-get install prometheus")


@dataclass
class Prometheus:
    """What it knows, by its API."""

    url: str

    def firing(self) -> set[str]:
        alerts = self._data("/api/v1/alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def query(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._data("/api/v1/query", query=expression)["result"]
        return found

    def _data(self, path: str, **query: str) -> Any:
        answer = httpx.get(self.url + path, params=query, timeout=20)
        return answer.raise_for_status().json()["data"]


def shortened(rules: str) -> str:
    """The alerts with times for a test: `for:`, windows and ages of seconds instead of minutes; nothing else differs."""
    rules = re.sub(r"for: (?!1d)\S+", "for: 4s", rules)
    return re.sub(r"\[\d+m\]", "[15s]", rules).replace("> 60\n", "> 4\n")


@contextlib.contextmanager
def watching(stack: Stack) -> Iterator[Prometheus]:
    """A Prometheus of its own with the shortened alerts, which looks every three seconds."""
    folder = Path(tempfile.mkdtemp(prefix="atlas-prometheus-"))
    rules, config, port = folder / "alerts.yml", folder / "prometheus.json", free_port()
    rules.write_text(shortened((OBSERVABILITY / "alerts.yml").read_text()))
    targets = {service: [stack.url(service).removeprefix("http://")] for service in SERVICES}
    config.write_text(prometheus.configuration(targets, rules, SCRAPE_SECONDS))
    with (folder / "log").open("wb") as log:
        process = prometheus.start(config, folder / "data", port, log)
    try:
        watch = Prometheus(f"http://127.0.0.1:{port}")
        eventually(lambda: process.poll() is None and _answers(watch), 60, (folder / "log").read_text())
        yield watch
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(watch: Prometheus) -> bool:
    try:
        return len(watch.query('up{job="atlas"} == 1')) == len(SERVICES)
    except httpx.HTTPError:
        return False


def panels() -> Iterator[tuple[str, str, str]]:
    """Dashboard, panel and query of every panel."""
    for path in sorted((OBSERVABILITY / "dashboards").glob("*.json")):
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield board["title"], panel["title"], target["expr"]
