"""Who may call what inside: every route there is, by every key there is, exactly as the one table says.

A stranger is told so before the body is read. A key that leaks opens its own rows and nothing else.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from atlas_contracts.callers import ISSUERS, MAY_CALL, READER, role_of
from atlas_contracts.internal_api import CHECKOUT_SERVICE, ENTITLEMENTS_SERVICE, GATEWAY_SERVICE, INGEST_SERVICE
from atlas_contracts.issuers import OPERATOR
from atlas_contracts.many_reads import MANY_ENTITLEMENTS
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.http_server import answered
from support.identity import READERS, SIGNERS, STRANGER, claims, identity_of, key_of, signed, token
from support.routes import ENVIRONMENT, HEALTH, routes_of
from support.stack import eventually

PACKAGES = {
    GATEWAY_SERVICE: "account_gateway",
    CHECKOUT_SERVICE: "checkout",
    ENTITLEMENTS_SERVICE: "entitlements",
    INGEST_SERVICE: "webhook_ingest",
}
BEHIND = [service for service in PACKAGES if service != GATEWAY_SERVICE]
REFUSED, ADMITTED = (401, 403), "admitted"


@pytest.mark.parametrize("service", PACKAGES)
def test_the_table_has_every_door_there_is_and_no_other(service: str) -> None:
    routes = routes_of(PACKAGES[service]) - HEALTH
    inside = {route for route in routes if route[1].startswith(("/internal", "/operator", "/v1"))}
    assert inside == set(MAY_CALL[service])
    assert service == GATEWAY_SERVICE or inside == routes, "a service behind the gateway has no other doors"
    assert all(issuers and issuers <= ISSUERS | {READER} for issuers in MAY_CALL[service].values())


def test_nobody_is_a_reader_by_its_name_and_none_of_ours_is_one() -> None:
    assert role_of(READER, ()) is None
    assert role_of("coach", ("coach",)) == READER
    assert role_of("coach", ("journal",)) is None
    assert {role_of(issuer, ISSUERS) for issuer in ISSUERS} == ISSUERS


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    """The three services behind, without a broker or a database: a door is closed whatever lies behind it."""
    ports = {service: free_port() for service in BEHIND}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", PACKAGES[service], "--port", str(port)],
            env={**os.environ, **ENVIRONMENT, **identity_of(service), "INTERNAL_READERS": ",".join(READERS)},
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


def _knock(port: int, method: str, path: str, bearer: str | None, *, admitted: bool = False) -> int | str:
    """The status of the answer to a head that promises a body which never comes, ADMITTED where the body is waited for
    or the broker and database that are not there would be asked.

    Who should be `admitted` hears nothing, so that isn't waited for long; a refusal may take its time on a busy machine.
    """
    lines = [f"{method} {re.sub('{.*?}', 'x', path)} HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: 1000"]
    lines += [f"Authorization: Bearer {bearer}"] if bearer else []
    with socket.create_connection((LOOPBACK, port), timeout=5) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        line.settimeout(0.3 if admitted else 10)
        try:
            status = int(answered(line).split()[1])
        except TimeoutError:
            return ADMITTED
    return status if status in REFUSED else ADMITTED


@pytest.mark.parametrize("service", BEHIND)
@pytest.mark.parametrize("issuer", SIGNERS)
def test_each_key_opens_its_own_rows_of_the_table_and_nothing_else(ports: dict[str, int], service: str, issuer: str) -> None:
    """Whatever it claims: every route there is, read off the application, in its own and in everybody else's name."""
    mine = READER if issuer in READERS else issuer
    opened = set()
    for method, path in routes_of(PACKAGES[service]) - HEALTH:
        subject = issuer if issuer in READERS or issuer == OPERATOR or path == MANY_ENTITLEMENTS else "x"
        may = mine in MAY_CALL[service].get((method, path), ())
        own = _knock(ports[service], method, path, token(issuer, service, subject), admitted=may)
        assert own in (ADMITTED, 403), (method, path, own)
        if own == ADMITTED:
            opened.add((method, path))
        for other in set(SIGNERS) - {issuer}:
            named = signed(claims(other, service, subject), key_of(issuer))
            under_their_kid = signed(claims(other, service, subject), key_of(issuer), {"kid": other})
            assert _knock(ports[service], method, path, named) == 401, (method, path, other)
            assert _knock(ports[service], method, path, under_their_kid) == 401, (method, path, other)
    assert opened == {route for route, issuers in MAY_CALL[service].items() if mine in issuers}
    assert issuer != STRANGER or not opened


@pytest.mark.parametrize("service", BEHIND)
def test_a_stranger_is_told_so_before_the_body_is_read(ports: dict[str, int], service: str) -> None:
    for (method, path), issuers in MAY_CALL[service].items():
        someone = READERS[0] if READER in issuers else next(iter(issuers))
        knocks = {"nobody": (None, 401)}
        other = next(s for s in BEHIND if s != service)
        knocks["for another service"] = (token(OPERATOR, other, OPERATOR), 401)
        knocks["in the name of nobody"] = (signed(claims(someone, service, "ada "), key_of(someone)), 401)
        knocks["another key"] = (signed(claims(someone, service, "ada"), key_of(someone, 1)), 401)
        knocks["a list of audiences"] = (signed(claims(someone, service, "ada", aud=[service]), key_of(someone)), 401)
        if READER in issuers:
            knocks["a reader in another name than its own"] = (token(someone, service, "ada"), 403)
        for who, (bearer, status) in knocks.items():
            assert _knock(ports[service], method, path, bearer) == status, (method, path, who)
