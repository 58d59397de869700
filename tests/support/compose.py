"""The whole system in containers, for tests: docker-compose.yml as it stands, under a project name of its own."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker as docker_sdk
import httpx
import pytest
from docker.models.containers import Container

from support import docker
from support.stack import MEANINGFUL, WORKSPACE, free_port_base

BUILD_SECONDS = 900
UP_SECONDS = 240
PORTS = {
    "account-gateway": "ATLAS_GATEWAY_PORT",
    "webhook-ingest": "ATLAS_INGEST_PORT",
    "sandbox": "ATLAS_SANDBOX_PORT",
    "desk": "ATLAS_DESK_PORT",
}


@dataclass
class ComposeStack:
    """One Compose project. Has the face of `support.stack.Stack` that a buyer needs: `url` and `json`."""

    project: str = field(default_factory=lambda: f"atlas-test-{secrets.token_hex(4)}")
    environ: dict[str, str] = field(default_factory=dict)
    given: tuple[str, ...] = ()
    """Options of every call: another file than docker-compose.yml, its profiles."""

    def __post_init__(self) -> None:
        base = free_port_base()
        self.ports = {part: base + offset for offset, part in enumerate(PORTS)}

    def compose(self, *arguments: str, timeout: float = UP_SECONDS) -> subprocess.CompletedProcess[str]:
        """`docker compose …`; gives exit code and output."""
        return subprocess.run(
            ["docker", "compose", "--env-file", os.devnull, *self.given, "-p", self.project, *arguments],
            cwd=WORKSPACE, env=self.environment(), text=True, capture_output=True, timeout=timeout,
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        """The shell's, without anything that would change the system; then this project's ports."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith((*MEANINGFUL, "COMPOSE_", "SANDBOX_"))}
        return {**kept, **{variable: str(self.ports[part]) for part, variable in PORTS.items()}, **self.environ}

    def do(self, *arguments: str, timeout: float = UP_SECONDS) -> str:
        """The same, and it has to succeed; gives what it printed."""
        done = self.compose(*arguments, timeout=timeout)
        assert done.returncode == 0, f"docker compose {' '.join(arguments)}:\n{done.stderr}\n{self.logs()}"
        return done.stdout

    def up(self, *arguments: str) -> None:
        """Start what isn't running, and wait until all are healthy."""
        self.do("up", "--wait", *arguments)

    def logs(self) -> str:
        return self.compose("logs", "--no-color", "--tail", "15").stdout

    def inside(self, service: str, script: str) -> subprocess.CompletedProcess[str]:
        """A shell script in a running container, as the user that the service runs as."""
        return self.compose("exec", "-T", service, "sh", "-c", script)

    def sql(self, database: str, statement: str) -> str:
        """What a statement answers, as Postgres' superuser."""
        return self.do("exec", "-T", "postgres", "psql", "-U", "postgres", "-d", database, "-XAtc", statement).strip()

    def containers(self) -> dict[str, Container]:
        """The running containers by name, without the project's."""
        found = docker_client().containers.list(filters={"label": f"com.docker.compose.project={self.project}"})
        return {container.name.removeprefix(f"{self.project}-"): container for container in found}

    def url(self, part: str) -> str:
        """Where a browser on this machine finds a part."""
        return f"http://localhost:{self.ports[part]}"

    @property
    def json(self) -> dict[str, Any]:
        """As in `stack.json`: the sandbox's address and key."""
        return {"sandbox": {"url": self.url("sandbox"), "secret_key": self._sandbox_key}}

    @functools.cached_property
    def _sandbox_key(self) -> str:
        return self.inside("sandbox", '. "$CREDENTIALS" && printf %s "$SANDBOX_SECRET_KEY"').stdout


@functools.cache
def docker_client() -> docker_sdk.DockerClient:
    return docker_sdk.from_env()


def skip_without_compose() -> None:
    """Skip the test where no Docker engine with Compose is to be had, unless ATLAS_REQUIRE=docker."""
    missing = _missing()
    if missing:
        assert not docker.required("docker"), f"ATLAS_REQUIRE=docker, but {missing}"
        pytest.skip(missing)


@functools.cache
def _missing() -> str:
    if not docker.engine_answers():
        return "no Docker engine answers"
    compose = shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True)
    return "" if compose and compose.returncode == 0 else "there is no `docker compose`"


@contextlib.contextmanager
def running_compose_stack(environ: Mapping[str, str] | None = None, *given: str) -> Iterator[ComposeStack]:
    """Built, started with the documented command, healthy; nothing is left of it in the end."""
    stack = ComposeStack(environ=dict(environ or {}), given=given)
    try:
        stack.do("up", "--build", "--wait", timeout=BUILD_SECONDS)
        assert httpx.get(stack.url("account-gateway") + "/api/health").json()["status"] == "ok"
        yield stack
    finally:
        stack.compose("down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "10")
