"""Who may call what inside: the table has every door there is, and a stranger is told so before the body is read."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from atlas_contracts.callers import MAY_CALL
from atlas_contracts.internal_api import (
    APP,
    CHECKOUT_SERVICE,
    ENTITLEMENTS_SERVICE,
    GATEWAY_SERVICE,
    INGEST_SERVICE,
    OPERATOR,
)
from atlas_kit.http.identity import TokenMint
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.http_server import answered
from support.routes import ENVIRONMENT, HEALTH, routes_of
from support.stack import eventually

PACKAGES = {
    GATEWAY_SERVICE: "account_gateway",
    CHECKOUT_SERVICE: "checkout",
    ENTITLEMENTS_SERVICE: "entitlements",
    INGEST_SERVICE: "webhook_ingest",
}
ISSUERS = (GATEWAY_SERVICE, CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, INGEST_SERVICE, OPERATOR, APP, "somebody-else")
BEHIND = [service for service in PACKAGES if service != GATEWAY_SERVICE]


@pytest.mark.parametrize("service", PACKAGES)
def test_the_table_has_every_door_there_is_and_no_other(service: str) -> None:
    routes = routes_of(PACKAGES[service]) - HEALTH
    inside = {route for route in routes if route[1].startswith(("/internal", "/operator"))}
    assert inside == set(MAY_CALL[service])
    assert service == GATEWAY_SERVICE or inside == routes, "a service behind the gateway has no other doors"
    assert all(issuers and set(issuers) <= set(ISSUERS) for issuers in MAY_CALL[service].values())


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    """The three services behind, without a broker or a database: a door is closed whatever lies behind it."""
    ports = {service: free_port() for service in BEHIND}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", PACKAGES[service], "--port", str(port)],
            env={**os.environ, **ENVIRONMENT},
            stdout=subprocess.DEVNULL,
        )
        for service, port in ports.items()
    ]
    try:
        for port in ports.values():
            eventually(lambda port=port: _alive(port), 60)
        yield ports
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _alive(port: int) -> bool:
    try:
        return httpx.get(f"http://{LOOPBACK}:{port}/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def _knock(port: int, method: str, path: str, token: str | None) -> int:
    """The status of the answer to a head that promises a body which never comes."""
    lines = [f"{method} {re.sub('{.*?}', 'x', path)} HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: 1000"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    with socket.create_connection((LOOPBACK, port), timeout=5) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(answered(line).split()[1])


@pytest.mark.parametrize("service", BEHIND)
def test_a_stranger_is_told_so_before_the_body_is_read(ports: dict[str, int], service: str) -> None:
    secret = SecretStr(ENVIRONMENT["INTERNAL_AUTH_SECRET"])
    for (method, path), issuers in MAY_CALL[service].items():
        knocks = {"nobody": (None, 401)}
        other = next(s for s in BEHIND if s != service)
        knocks["for another service"] = (TokenMint(secret, OPERATOR).token(other, "ada"), 401)
        knocks["in the name of nobody"] = (TokenMint(secret, next(iter(issuers))).token(service, "ada "), 401)
        knocks["another secret"] = (TokenMint(SecretStr("y" * 32), OPERATOR).token(service, "ada"), 401)
        for issuer in set(ISSUERS) - issuers:
            knocks[issuer] = (TokenMint(secret, issuer).token(service, "ada"), 403)
        for who, (token, status) in knocks.items():
            assert _knock(ports[service], method, path, token) == status, (method, path, who)
