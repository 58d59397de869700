"""`./atlas up`, `down`, `status`, `logs`: what a person at a terminal relies on."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from support.stack import Stack, eventually, new_stack, running_stack

SERVICES = ["account-gateway", "webhook-ingest", "checkout", "entitlements"]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack(from_nothing=True, desk=True) as running:
        yield running


def test_every_part_is_healthy_and_every_service_answers(stack: Stack) -> None:
    status = stack.status()
    parts = {**status["services"], "sandbox": status["sandbox"], "desk": status["desk"], "nats": status["nats"], "postgres": status["postgres"]}
    assert {name: part["health"] for name, part in parts.items()} == dict.fromkeys(parts, "ok")
    assert list(status["services"]) == SERVICES
    for name in [*SERVICES, "sandbox", "desk"]:
        with urllib.request.urlopen(f"{stack.url(name)}/readyz", timeout=5) as answer:
            assert answer.status == 200


def test_stack_json_has_exactly_the_names_of_the_contract(stack: Stack) -> None:
    found = stack.json
    assert set(found) == {"services", "sandbox", "desk", "webhook", "nats", "postgres", "auth", "nextauth_url"}
    assert all(set(service) == {"url", "pid"} for service in found["services"].values())
    assert set(found["sandbox"]) == {"url", "pid", "secret_key", "price_id"}
    assert set(found["desk"]) == {"url", "pid", "sign_in_url"}
    assert set(found["webhook"]) == {"url", "secret"}
    assert set(found["nats"]) == {"url", "pid", "observer"}
    assert set(found["nats"]["observer"]) == {"url"}
    assert set(found["postgres"]) == {"pid", "databases"}
    assert set(found["postgres"]["databases"]) == {"entitlements", "checkout"}
    assert set(found["auth"]) == {"strategy", "nextauth_secret", "cookie", "reader"}
    ports = [int(found["services"][name]["url"].rsplit(":", 1)[1]) for name in SERVICES]
    assert ports == [stack.port_base + offset for offset in range(4)]
    assert found["sandbox"]["url"].endswith(f":{stack.port_base + 4}")
    assert found["desk"]["url"].endswith(f":{stack.port_base + 5}")
    assert found["desk"]["sign_in_url"].startswith(found["desk"]["url"] + "/")
    assert found["nextauth_url"] == stack.url("account-gateway")


def test_what_is_secret_is_readable_by_its_owner_only(stack: Stack) -> None:
    for name in ("stack.json", "secrets.json", "run/nats.conf"):
        assert stat.S_IMODE((stack.home / name).stat().st_mode) == 0o600, name


def test_a_second_up_says_that_it_runs_and_is_no_failure(stack: Stack) -> None:
    before = stack.json
    done = stack.atlas("up", "--detach", "--port-base", str(stack.port_base))
    assert done.returncode == 0
    assert "Already running" in done.stdout
    assert stack.json == before


def test_logs_shows_the_last_lines_and_names_the_parts_for_a_wrong_one(stack: Stack) -> None:
    done = stack.atlas("logs", "nats", "-n", "3")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 3
    wrong = stack.atlas("logs", "nonsense")
    assert wrong.returncode == 2
    assert "account-gateway" in wrong.stderr


def test_two_stacks_run_side_by_side(stack: Stack) -> None:
    with running_stack() as other:
        assert other.status()["services"]["checkout"]["health"] == "ok"
        assert stack.status()["services"]["checkout"]["health"] == "ok"
        assert {other.pid(name) for name in SERVICES}.isdisjoint({stack.pid(name) for name in SERVICES})


@pytest.mark.parametrize("part", ["entitlements", "webhook-ingest", "sandbox", "desk", "nats", "postgres"])
def test_a_part_that_dies_is_restarted_and_status_tells(stack: Stack, part: str) -> None:
    before = stack.pid(part)

    restarts = stack.part(part)["restarts"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: stack.part(part)["restarts"] == restarts + 1 and stack.is_healthy(), 30, f"{part} is back")
    status = eventually(lambda: all_healthy(stack), 30, "all are healthy")
    told = status["services"].get(part) or status[part]
    assert (told["restarts"], told["health"]) == (restarts + 1, "ok")
    assert stack.pid(part) != before


def all_healthy(stack: Stack) -> dict[str, Any] | None:
    """What status tells, once all services are healthy."""
    status = stack.status()
    return status if all(service["health"] == "ok" for service in status["services"].values()) else None


def test_what_up_is_given_reaches_the_services_that_need_it_and_no_other() -> None:
    given = {
        "NEXTAUTH_SECRET": "a-secret-given-to-up,an-older-one",
        "STRIPE_WEBHOOK_SECRET": "whsec_new,whsec_old",
        "DATABASE_URL": "postgresql://somebody:else@127.0.0.1:1/never",
    }
    with running_stack(given) as stack:
        assert stack.json["auth"]["nextauth_secret"] == "a-secret-given-to-up"
        assert stack.json["webhook"]["secret"] == "whsec_new"
        environments = {name: psutil.Process(stack.pid(name)).environ() for name in SERVICES}
        assert environments["account-gateway"]["NEXTAUTH_SECRET"] == given["NEXTAUTH_SECRET"]
        assert environments["webhook-ingest"]["STRIPE_WEBHOOK_SECRET"] == given["STRIPE_WEBHOOK_SECRET"]
        assert not [name for name in SERVICES if "never" in environments[name].get("DATABASE_URL", "")]
        assert [name for name in SERVICES if "NEXTAUTH_SECRET" in environments[name]] == ["account-gateway"]
        assert [name for name in SERVICES if "STRIPE_WEBHOOK_SECRET" in environments[name]] == ["webhook-ingest"]
        assert [name for name in SERVICES if "DATABASE_URL" in environments[name]] == ["checkout", "entitlements"]


def test_down_leaves_nothing_running_and_the_next_up_finds_the_data() -> None:
    with running_stack() as stack:
        first = stack.json
        stack.down()
        eventually(lambda: not stack.processes(), 5, "no process left; the supervisor lets go of its lock just before it ends")
        assert not (stack.home / "stack.json").exists()
        assert "Not running" in stack.atlas("status").stdout
        again = stack.up()
        assert again["webhook"] == first["webhook"]
        assert again["postgres"]["databases"] == first["postgres"]["databases"]


def test_ctrl_c_stops_everything() -> None:
    with new_stack() as stack:
        up = subprocess.Popen(
            stack.command("up", "--port-base", str(stack.port_base)),
            env=stack.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        eventually(stack.is_healthy, 60, "healthy")
        up.send_signal(signal.SIGINT)
        assert up.wait(30) == 0
        assert up.communicate()[0].decode().endswith("Stopped.\n")
        assert not stack.processes()


@pytest.mark.parametrize("victim", ["the terminal's up", "the supervisor"])
def test_a_kill_9_leaves_nothing_running(victim: str) -> None:
    with new_stack() as stack:
        up = subprocess.Popen(
            stack.command("up", "--port-base", str(stack.port_base)),
            env=stack.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(stack.is_healthy, 60, "healthy")
        if victim == "the supervisor":
            [child] = [
                child for child in psutil.Process(up.pid).children() if "atlas_localstack.stack" in child.cmdline()
            ]
            child.kill()
        else:
            up.kill()
        up.wait(30)
        eventually(lambda: not stack.processes(), 20, "everything has ended")


def test_a_kill_9_during_the_first_start_leaves_a_home_that_starts() -> None:
    with new_stack(from_nothing=True) as stack:
        for seconds in (0.25, 0.6, 1.0):
            up = subprocess.Popen(
                stack.command("up", "--port-base", str(stack.port_base)),
                env=stack.environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(seconds)  # the moment itself is what is tested
            up.kill()
            up.wait()
            eventually(lambda: not stack.processes(), 20, "everything has ended")
        stack.up()
        assert stack.status()["postgres"]["health"] == "ok"


def test_a_taken_port_is_named_with_its_remedy() -> None:
    with new_stack() as stack, socket.create_server(("127.0.0.1", stack.port_base + 2)):
        done = stack.atlas("up", "--detach", "--port-base", str(stack.port_base))
        assert done.returncode == 1
        assert f"Port {stack.port_base + 2}, meant for checkout, is taken" in done.stderr
        assert "--port-base" in done.stderr
        assert not stack.processes()


def test_a_broken_database_directory_is_told_and_fresh_mends_it() -> None:
    with new_stack() as stack:
        stack.up()
        stack.down()
        data = stack.home / "data" / "postgres"
        version = (data / "PG_VERSION").read_text()
        (data / "PG_VERSION").write_text("12\n")
        fails_to_start(stack, "broken, or not of Postgres 16")
        (data / "PG_VERSION").write_text(version)
        (data / "global" / "pg_control").unlink()
        fails_to_start(stack, "postgres does not start")
        stack.up("--fresh")


def test_a_directory_with_something_else_in_it_is_not_taken_for_a_database() -> None:
    with new_stack(from_nothing=True) as stack:
        thesis = stack.home / "data" / "postgres" / "thesis.txt"
        thesis.parent.mkdir(parents=True)
        thesis.write_text("mine")
        fails_to_start(stack, "broken, or not of Postgres 16")
        assert thesis.read_text() == "mine"


def fails_to_start(stack: Stack, saying: str) -> None:
    done = stack.atlas("up", "--detach", "--port-base", str(stack.port_base))
    assert done.returncode == 1
    assert saying in done.stderr
    assert "--fresh" in done.stderr
    assert not stack.processes()


def test_a_service_that_refuses_its_configuration_fails_the_start_with_its_own_words() -> None:
    with new_stack({"RATE_LIMIT_CHECKOUT": "nonsense"}) as stack:
        done = stack.atlas("up", "--detach", "--port-base", str(stack.port_base))
        assert done.returncode == 1
        assert "account-gateway does not start" in done.stderr
        assert "RATE_LIMIT_CHECKOUT" in done.stderr
        assert "Traceback" not in done.stderr
        assert not stack.processes()


def test_a_real_stripe_key_needs_its_companions_and_no_sandbox_starts() -> None:
    with new_stack({"STRIPE_SECRET_KEY": "sk_test_of_a_real_account"}) as stack:
        done = stack.atlas("up", "--detach", "--port-base", str(stack.port_base))
        assert done.returncode == 1
        assert "STRIPE_WEBHOOK_SECRET" in done.stderr
        assert "sk_test_of_a_real_account" not in done.stdout + done.stderr
