"""A Prometheus that watches one stack, where the machine has one (`./atlas up --observe`)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from atlas_localstack.servers.ports import LOOPBACK
from atlas_localstack.servers.process import spawn

PROGRAM = "prometheus"
MISSING = "Prometheus isn't installed, so the stack can't be observed."
REMEDY = "Debian and Ubuntu: apt-get install prometheus. macOS: brew install prometheus. Or start without --observe."
KEPT = "2d"
"""How long samples are kept."""


def is_installed() -> bool:
    """Whether the program is on the path."""
    return shutil.which(PROGRAM) is not None


def configuration(targets: Mapping[str, Sequence[str]], rules: Path, scrape_seconds: int = 5) -> str:
    """The configuration file (JSON, which is YAML too): each service's replicas (`host:port`), and the alerts."""
    told = [{"targets": list(found), "labels": {"service": service}} for service, found in targets.items()]
    every = {"scrape_interval": f"{scrape_seconds}s", "evaluation_interval": f"{max(1, scrape_seconds // 3)}s"}
    return json.dumps(
        {
            "global": {**every, "scrape_timeout": f"{scrape_seconds}s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "atlas", "static_configs": told}],
        },
        indent=2,
    )


def start(config: Path, data: Path, port: int, log: IO[Any]) -> subprocess.Popen[bytes]:
    """Start it. It answers `/-/ready` on ``port`` once it works."""
    argv = [shutil.which(PROGRAM) or PROGRAM, f"--config.file={config}", f"--storage.tsdb.path={data}"]
    argv += [f"--web.listen-address={LOOPBACK}:{port}", f"--storage.tsdb.retention.time={KEPT}", "--log.level=warn"]
    return spawn(argv, env={}, log=log)
