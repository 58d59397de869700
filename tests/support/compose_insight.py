"""What nobody outside gets to see of a Compose project: its servers and inner services by their containers' addresses.

With the face of `support.stack.Stack` that the checker of the fault suite needs. Where the engine's networks can be
reached from this machine: on Linux.
"""

from __future__ import annotations

import functools
import os
import subprocess
from typing import Any

from pydantic import SecretStr

from support.compose import ComposeStack, docker_client
from support.stack import WORKSPACE

INNER_PORTS = {"checkout": 8002, "entitlements": 8003}


class Insight:
    """One running project, seen from inside."""

    def __init__(self, compose: ComposeStack) -> None:
        self.compose = compose

    def url(self, part: str) -> str:
        """Where a service answers now; an inner one's address changes whenever it is connected anew."""
        if part in INNER_PORTS:
            return f"http://{self._address(part, 'default')}:{INNER_PORTS[part]}"
        return self.compose.url(part)

    @property
    def json(self) -> dict[str, Any]:
        """As `stack.json`."""
        nats = f"nats://admin:{self._secret('nats', 'NATS_PASSWORD_ADMIN')}@{self._address('nats', 'broker')}:4222"
        return {
            "services": {part: {"url": self.url(part)} for part in ("account-gateway", "webhook-ingest", *INNER_PORTS)},
            "sandbox": {
                "url": self.compose.url("sandbox"),
                "secret_key": self._secret("sandbox", "SANDBOX_SECRET_KEY"),
                "price_id": self._secret("sandbox", "SANDBOX_PRICE_ID"),
            },
            "nats": {"url": nats},
            "postgres": {"databases": {name: self._dsn(name) for name in ("entitlements", "checkout")}},
            "auth": {
                "nextauth_secret": self._secret("account-gateway", "NEXTAUTH_SECRET"),
                "cookie": "next-auth.session-token",
            },
        }

    @functools.cached_property
    def operator_key(self) -> SecretStr:
        """From the folder of keys, which only its own container may read."""
        file = "/run/credentials/keys/operator.json"
        said = self.compose.compose("run", "--rm", "--no-deps", "-T", "--entrypoint", "/bin/cat", "keys", file)
        assert said.returncode == 0 and said.stdout, said.stderr
        return SecretStr(said.stdout)

    def atlas(self, *arguments: str, timeout: float = 150) -> subprocess.CompletedProcess[str]:
        """Call `./atlas` as the operator of this project."""
        named = {
            "WEBHOOK_INGEST_URL": self.url("webhook-ingest"), "ACCOUNT_GATEWAY_URL": self.url("account-gateway"),
            "CHECKOUT_URL": self.url("checkout"), "ENTITLEMENTS_URL": self.url("entitlements"),
            "INTERNAL_SIGNING_KEY": self.operator_key.get_secret_value(),
        }  # fmt: skip
        return subprocess.run(
            [str(WORKSPACE / "atlas"), *arguments], env={"PATH": os.environ["PATH"], **named},
            text=True, capture_output=True, timeout=timeout,
        )  # fmt: skip

    def _dsn(self, database: str) -> str:
        return self._secret(database, "DATABASE_URL").replace("@postgres:", f"@{self._address('postgres', 'database')}:")

    def _address(self, part: str, network: str) -> str:
        """The container's address on a network; empty while it has none."""
        container = docker_client().containers.get(f"{self.compose.project}-{part}-1")
        found = container.attrs["NetworkSettings"]["Networks"].get(f"{self.compose.project}_{network}", {})
        return str(found.get("IPAddress", ""))

    @functools.cache
    def _secret(self, part: str, variable: str) -> str:
        """What a part was given in its credentials file."""
        said = self.compose.inside(part, f'. "$CREDENTIALS" && printf %s "${variable}"')
        assert said.returncode == 0 and said.stdout, f"{part} has no {variable}: {said.stderr}"
        return said.stdout
