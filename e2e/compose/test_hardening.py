"""What a container may not do: be root, write, read another's credentials, sell Pro for test cards in public."""

from __future__ import annotations

import pytest

from support.compose import PORTS, ComposeStack

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]

SERVICES = ("account-gateway", "webhook-ingest", "checkout", "entitlements", "sandbox", "desk")
EVERYTHING = {f"{part}-1" for part in (*SERVICES, "postgres", "nats")}


def test_nothing_runs_as_root_or_with_a_capability_or_on_a_writable_file_system(compose: ComposeStack) -> None:
    containers = compose.containers()

    assert set(containers) == EVERYTHING
    for name, container in containers.items():
        host = container.attrs["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert {process[0] for process in container.top(ps_args="-eo uid,pid")["Processes"]}.isdisjoint({"0"}), name


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_write_nowhere_but_to_its_tmp(compose: ComposeStack, service: str) -> None:
    assert compose.inside(
        service, "touch /app/x || touch /etc/x || touch /run/x || touch /run/credentials/x"
    ).returncode
    assert compose.inside(service, "touch /tmp/x && rm /tmp/x").returncode == 0


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reads_its_own_credentials_and_no_others(compose: ComposeStack, service: str) -> None:
    readable = compose.inside(
        service, 'for f in /run/credentials/*; do cat "$f" >/dev/null 2>&1 && echo "$f"; done; true'
    )

    assert readable.stdout.split() == [f"/run/credentials/{service}.env"]


def test_only_what_a_browser_or_stripe_needs_is_published_and_only_to_this_machine(compose: ComposeStack) -> None:
    published = {
        name: {binding["HostIp"] for bindings in container.ports.values() for binding in bindings or ()}
        for name, container in compose.containers().items()
    }

    assert {name for name, addresses in published.items() if addresses} == {f"{part}-1" for part in PORTS}
    assert set().union(*published.values()) == {"127.0.0.1"}


def test_no_credential_stands_in_a_container_s_definition(compose: ComposeStack) -> None:
    for name, container in compose.containers().items():
        for variable in container.attrs["Config"]["Env"]:
            variable_name, _, value = variable.partition("=")
            assert not value or not variable_name.endswith(("_SECRET", "_KEY", "PASSWORD", "DATABASE_URL")), (
                name,
                variable_name,
            )


@pytest.mark.parametrize(
    ("service", "variable"),
    [
        ("account-gateway", "NEXTAUTH_SECRET"),
        ("webhook-ingest", "STRIPE_WEBHOOK_SECRET"),
        ("checkout", "STRIPE_PRICE_PRO_LIFETIME"),
    ],
)
def test_in_public_nothing_is_made_up_a_missing_secret_stops_the_service(
    compose: ComposeStack, service: str, variable: str
) -> None:
    done = compose.compose("run", "--rm", "--no-deps", "-T", "-e", "NEXTAUTH_URL=https://atlas.example", service)

    assert done.returncode == 2
    assert f"configuration: {variable}: is required" in done.stderr


def test_the_broker_and_the_databases_are_out_of_the_sandbox_s_reach(compose: ComposeStack) -> None:
    script = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"

    assert (
        compose.inside("checkout", f"python -c '{script}' nats 4222 && python -c '{script}' postgres 5432").returncode
        == 0
    )
    assert compose.inside("sandbox", f"python -c '{script}' nats 4222").returncode != 0
    assert compose.inside("sandbox", f"python -c '{script}' postgres 5432").returncode != 0
    assert compose.inside("account-gateway", f"python -c '{script}' postgres 5432").returncode != 0
