"""What the containers read before they start: made up only where nobody but this machine's user gets."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from account_gateway.settings import GatewaySettings
from atlas_kit.process.keys import read_trusted_keys
from atlas_kit.process.settings import load
from atlas_operator.key_folder import KeyFolder
from checkout.settings import CheckoutSettings
from entitlements.settings import EntitlementsSettings
from support.identity import key_of, key_set
from support.stack import WORKSPACE

COMPOSE = yaml.safe_load((WORKSPACE / "docker-compose.yml").read_text())["services"]
SIGNERS = COMPOSE["keys"]["command"][1:]
SERVICES = ("account-gateway", "webhook-ingest", "checkout", "entitlements")
MADE_UP = ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE", "NEXTAUTH_SECRET", "ATLAS_DEV_SIGN_IN"]


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script makes, in a folder; nothing changes its owner."""
    return made_in(tmp_path_factory)


def made_in(tmp_path_factory: pytest.TempPathFactory, **hosts: str) -> Path:
    folder = tmp_path_factory.mktemp("credentials")
    stubs = tmp_path_factory.mktemp("stubs")
    for name in ("chown", "id"):
        (stubs / name).write_text("#!/bin/sh\necho 0\n")
        (stubs / name).chmod(0o755)
    KeyFolder(folder / "keys").make(SIGNERS)
    script = (WORKSPACE / "deploy" / "credentials.sh").read_text().replace("/run/credentials", str(folder))
    path = f"{stubs}:{os.environ['PATH']}"
    subprocess.run(["sh", "-c", script], check=True, env={"PATH": path, **hosts}, capture_output=True)
    return folder


def read_by(credentials: Path, part: str, **given: str) -> dict[str, str]:
    """What a part finds in its environment once it has read its file."""
    environment = {"PATH": os.environ["PATH"], **dict.fromkeys(MADE_UP, ""), "NEXTAUTH_URL": "http://localhost:8000", **given}
    show = f'. "{credentials}/{part}.env"; env'
    done = subprocess.run(["sh", "-euc", show], check=True, capture_output=True, text=True, env=environment)
    return {name: value for line in done.stdout.splitlines() for name, _, value in [line.partition("=")] if value}


def told(credentials: Path, nextauth_url: str) -> dict[str, str]:
    """What the gateway and the checkout service find in their environment."""
    return {
        name: value
        for service in ("account-gateway", "checkout")
        for name, value in read_by(credentials, service, NEXTAUTH_URL=nextauth_url).items()
    }


@pytest.mark.parametrize("url", ["https://atlas.example", "HTTPS://atlas.example", "Https://atlas.example", " https://atlas.example"])
def test_a_public_deployment_gets_no_made_up_secret_and_no_sandbox(credentials: Path, url: str) -> None:
    assert not set(told(credentials, url)) & set(MADE_UP)


def test_on_this_machine_everything_is_there(credentials: Path) -> None:
    assert set(MADE_UP) <= set(told(credentials, "http://localhost:8000"))


def test_each_part_signs_with_its_own_key_and_holds_nobody_elses(credentials: Path) -> None:
    private = {name: KeyFolder(credentials / "keys").signing_key(name)["d"] for name in SIGNERS}
    parts = {**{service: service for service in SERVICES}, "operator": "operator", "desk": "operator", "sandbox": "stripe-sandbox"}
    assert set(parts.values()) == set(SIGNERS)
    for part, name in parts.items():
        found = read_by(credentials, part)
        assert json.loads(found["INTERNAL_SIGNING_KEY"])["kid"] == name
        assert {owner for owner, secret in private.items() if secret in (credentials / f"{part}.env").read_text()} == {name}
    for service in SERVICES:
        assert set(read_trusted_keys(read_by(credentials, service)["INTERNAL_TRUSTED_KEYS"])) == set(SIGNERS)


def test_the_support_desk_gets_no_database_and_no_key_of_stripes(credentials: Path) -> None:
    found = read_by(credentials, "desk")
    assert not [name for name in found if "DATABASE" in name or "STRIPE" in name]
    assert COMPOSE["desk"]["environment"]["CREDENTIALS"].endswith("/desk.env")
    assert all(port.startswith("127.0.0.1:") for port in COMPOSE["desk"]["ports"])


def test_a_further_service_is_admitted_beside_the_sandbox_which_is_none_in_public(credentials: Path) -> None:
    given = {"INTERNAL_TRUSTED_KEYS": key_set(key_of("coach")), "INTERNAL_READERS": "coach"}
    found = read_by(credentials, "entitlements", **given)
    assert set(read_trusted_keys(found["INTERNAL_TRUSTED_KEYS"])) == {*SIGNERS, "coach"}
    assert found["INTERNAL_READERS"] == "stripe-sandbox,coach"
    assert read_by(credentials, "entitlements", **given, NEXTAUTH_URL="https://atlas.example")["INTERNAL_READERS"] == "coach"
    assert "INTERNAL_READERS" not in read_by(credentials, "entitlements", NEXTAUTH_URL="https://atlas.example")


def test_without_keys_nothing_is_given_out(tmp_path: Path) -> None:
    script = (WORKSPACE / "deploy" / "credentials.sh").read_text().replace("/run/credentials", str(tmp_path))
    done = subprocess.run(["sh", "-c", script], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert done.returncode != 0
    assert "keys" in done.stderr
    assert not list(tmp_path.glob("*.env"))


def test_compose_gives_the_variables_of_identity_to_those_who_read_them() -> None:
    for service in SERVICES:
        given = COMPOSE[service]["environment"]
        assert {"INTERNAL_TRUSTED_KEYS", "INTERNAL_AUTH_SECRET"} <= set(given), service
        assert "INTERNAL_SIGNING_KEY" not in given, "one value for all of them would be a shared secret again"
        assert ("INTERNAL_READERS" in given) == (service == "entitlements")
    assert "INTERNAL_AUTH_SECRET" not in COMPOSE["sandbox"]["environment"]
    assert COMPOSE["credentials"]["depends_on"] == {"keys": {"condition": "service_completed_successfully"}}
    keys = COMPOSE["keys"]
    assert (keys["network_mode"], keys["cap_drop"], keys["read_only"]) == ("none", ["ALL"], True)


def test_in_a_cluster_everybody_is_told_all_brokers_and_both_databases(tmp_path_factory: pytest.TempPathFactory) -> None:
    cluster = yaml.safe_load((WORKSPACE / "deploy" / "compose.cluster.yml").read_text())["services"]
    folder = made_in(tmp_path_factory, **cluster["credentials"]["environment"])
    for service, settings in {"account-gateway": GatewaySettings, "checkout": CheckoutSettings, "entitlements": EntitlementsSettings}.items():
        found = read_by(folder, service)
        told = load(settings, {"CHECKOUT_URL": "http://x", **found, "NEXTAUTH_URL": "http://localhost:8000"})
        hosts = [urlsplit(url).hostname for url in told.nats_url.get_secret_value().split(",")]
        assert hosts == ["nats-1", "nats-2", "nats-3"]
    database = conninfo_to_dict(read_by(folder, "checkout")["DATABASE_URL"])
    assert (database["host"], database["target_session_attrs"]) == ("postgres,postgres-standby", "read-write")
    routes = json.loads(read_by(folder, "nats")["NATS_ROUTES"])
    assert [urlsplit(route).hostname for route in routes] == ["nats-1", "nats-2", "nats-3"]
    assert {urlsplit(route).password for route in routes} == {read_by(folder, "nats")["NATS_PASSWORD_ROUTE"]}
