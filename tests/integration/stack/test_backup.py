"""deploy/backup.sh and deploy/restore.sh: a running system, saved while it sells, goes on elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from atlas_localstack.servers import binaries, database
from atlas_localstack.servers.ports import LOOPBACK, free_port
from atlas_localstack.stack import permissions, roles
from support.buyer import Buyer
from support.embedded import embedded_nats, embedded_postgres
from support.replicas import further_replica, wait_until_ready
from support.stack import WORKSPACE, Stack, eventually, new_stack

pytestmark = pytest.mark.timeout(600)

NATS = {user: f"nats_{user}" for user in permissions.GRANTS}
ROLES = {role: f"pg_{role}" for role in roles.ROLES}
USERS = {"account-gateway": "gateway", "webhook-ingest": "ingest", "checkout": "checkout", "entitlements": "entitlements"}


@dataclass
class Servers:
    """A broker with our users and no stream, and databases with our roles and no table."""

    address: str
    cluster: database.Cluster

    def nats(self, user: str) -> str:
        return f"nats://{user}:{NATS[user]}@{self.address}"

    def dsn(self, name: str, kind: str = "owner") -> str:
        return self.cluster.dsn(name, f"{name}_{kind}", ROLES[f"{name}_{kind}"])

    def variables(self) -> dict[str, str]:
        """What both scripts read."""
        return {
            "NATS_BACKUP_URL": self.nats("admin"),
            "ENTITLEMENTS_BACKUP_URL": self.dsn("entitlements"),
            "CHECKOUT_BACKUP_URL": self.dsn("checkout"),
        }


@contextmanager
def empty_servers() -> Iterator[Servers]:
    with embedded_nats(permissions.accounts(NATS)) as url, embedded_postgres() as postgres:
        database.execute(postgres.cluster, roles.provision(ROLES))
        yield Servers(url.removeprefix("nats://"), postgres.cluster)


def script(name: str, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run it as an operator does, with the programs of the servers' version."""
    programs = f"{binaries.postgres().root / 'bin'}:{os.environ['PATH']}"
    environ = {"PATH": programs, "PYTHON": sys.executable, "HOME": str(folder.parent), **variables}
    command = [str(WORKSPACE / "deploy" / name), str(folder)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with new_stack({"BILLING_PULL_INTERVAL_SECONDS": "0"}) as running:
        running.up()
        yield running


def owners_urls(stack: Stack) -> dict[str, str]:
    """Each database's URL, as its owner."""
    return {name: psutil.Process(stack.pid(name)).environ()["DATABASE_MIGRATION_URL"] for name in roles.DATABASES}


def rights(dsn: str) -> list[tuple[str, str]]:
    """Who may do what with each table and sequence, and by default with new ones."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("""
            SELECT relname::text, unnest(relacl)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
            UNION ALL SELECT 'new ' || defaclobjtype::text, unnest(defaclacl)::text FROM pg_default_acl ORDER BY 1, 2
        """).fetchall()
    assert any(name in ("ledger", "checkout_attempts") for name, _ in rows)
    return rows


def backed_up(stack: Stack, folder: Path) -> None:
    databases = {f"{name.upper()}_BACKUP_URL": url for name, url in owners_urls(stack).items()}
    done = script("backup.sh", folder, {"NATS_BACKUP_URL": stack.json["nats"]["url"], **databases})
    assert done.returncode == 0, done.stderr


@contextmanager
def running_on(stack: Stack, servers: Servers) -> Iterator[dict[str, str]]:
    """The four services, with the stack's keys and Stripe, on these servers; gives the operator's environment."""
    ports = {service: free_port() for service in USERS}
    urls = {f"{service.upper().replace('-', '_')}_URL": f"http://{LOOPBACK}:{port}" for service, port in ports.items()}
    with ExitStack() as exits:
        replicas = []
        for service, user in USERS.items():
            environ = {**urls, "PORT": str(ports[service]), "NATS_URL": servers.nats(user)}
            if service in roles.DATABASES:
                environ |= {"DATABASE_URL": servers.dsn(service, "service"), "DATABASE_MIGRATION_URL": servers.dsn(service)}
            replicas.append(exits.enter_context(further_replica(stack, service, **environ)))
        wait_until_ready(*replicas)
        key = (stack.home / "keys" / "operator.json").read_text()
        yield urls | {
            "PATH": os.environ["PATH"],
            "ATLAS_HOME": str(stack.home / "no-stack-here"),
            "INTERNAL_SIGNING_KEY": key,
            "USER": "ann",
            "NATS_URL": servers.nats("operator"),
            "NATS_STREAM_REPLICAS": "1",
            "ENTITLEMENTS_DATABASE_URL": servers.dsn("entitlements", "service"),
            "CHECKOUT_DATABASE_URL": servers.dsn("checkout", "service"),
            "NATS_ADMIN_URL": servers.nats("keeper"),
            "NATS_READERS_ADMIN_URL": servers.nats("mirrors"),
        }


def operator(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "atlas_operator", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)


def test_what_was_saved_goes_on_elsewhere_and_what_came_later_is_read_again_at_stripe(stack: Stack, tmp_path: Path) -> None:
    bought, refunded, granted, later = Buyer(stack), Buyer(stack), Buyer(stack), Buyer(stack)
    bought.buy()
    session = refunded.buy()
    refunded.refund(session)
    eventually(lambda: refunded.entitlement()["status"] == "revoked", what="the refund")
    assert stack.atlas("grant", granted.user, "--reason", "a gift of ours").returncode == 0
    folder = tmp_path / "backup"
    backed_up(stack, folder)
    later.buy()

    with empty_servers() as servers:
        done = script("restore.sh", folder, servers.variables())
        assert done.returncode == 0, done.stderr
        for name, here in owners_urls(stack).items():
            assert rights(servers.dsn(name)) == rights(here), "no more than it had: the ledger is only appended to"
        with running_on(stack, servers) as environ:
            gateway = environ["ACCOUNT_GATEWAY_URL"]

            def read(buyer: Buyer) -> dict[str, str | bool]:
                answer = httpx.get(f"{gateway}/api/pro/entitlement", cookies=dict(buyer.browser.cookies), timeout=10)
                found: dict[str, str | bool] = answer.json()["data"]
                return found

            for buyer in (bought, refunded, granted):
                assert read(buyer) == buyer.entitlement(), "to the letter, dates and all"
            assert read(bought)["isPro"] and not read(refunded)["isPro"]
            assert read(granted)["source"] == "manual"
            assert not read(later)["isPro"], "bought after the backup"

            verified = operator(environ, "rebuild", "--verify", "--json")
            assert verified.returncode == 0, verified.stdout + verified.stderr
            assert operator(environ, "pull", "--since", "1h").returncode == 0
            eventually(lambda: read(later)["isPro"], what="what came later is read at Stripe again")
            assert read(bought) == bought.entitlement(), "and nothing else has changed"
            _doctor_is_content(environ)


def _doctor_is_content(environ: dict[str, str]) -> None:
    """With `--fix`, which makes the readers' mirrors: they aren't saved, for they are copies."""
    told = operator(environ, "doctor", "--fix", "--json")
    assert not [finding for finding in json.loads(told.stdout) if finding["level"] == "error"], told.stdout


@pytest.fixture(scope="module")
def saved(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "backup"
    backed_up(stack, folder)
    return folder


def nothing_in(servers: Servers) -> bool:
    with psycopg.connect(servers.dsn("entitlements")) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    return found == (0,)


def cut_off(folder: Path) -> None:
    file = folder / "BILLING.snapshot"
    file.write_bytes(file.read_bytes()[:-7])


def unfinished(folder: Path) -> None:
    (folder / "SHA256SUMS").unlink()


@pytest.mark.parametrize("damage", [cut_off, unfinished])
def test_a_damaged_backup_changes_nothing(saved: Path, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", saved, copy], check=True)
    damage(copy)
    with empty_servers() as servers:
        done = script("restore.sh", copy, servers.variables())
        assert done.returncode == 1
        assert nothing_in(servers)


def test_nothing_is_restored_over_what_is_there_and_no_backup_over_another(stack: Stack, saved: Path) -> None:
    with empty_servers() as servers:
        assert script("restore.sh", saved, servers.variables()).returncode == 0
        again = script("restore.sh", saved, servers.variables())
        assert (again.returncode, "not empty" in again.stderr) == (1, True)
        with empty_servers() as fresh:
            half = fresh.variables() | {"NATS_BACKUP_URL": servers.nats("admin")}
            refused = script("restore.sh", saved, half)
            assert (refused.returncode, "exists on this broker" in refused.stderr) == (1, True)
            assert nothing_in(fresh)
    assert script("backup.sh", saved, dict.fromkeys(servers.variables(), "x")).returncode == 1, "the folder exists"


def test_a_backup_that_fails_leaves_no_folder_that_looks_finished(stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    nobody = {"NATS_BACKUP_URL": "nats://127.0.0.1:9", "ENTITLEMENTS_BACKUP_URL": "x", "CHECKOUT_BACKUP_URL": "x"}
    assert script("backup.sh", folder, nobody).returncode == 1
    assert not folder.exists()
