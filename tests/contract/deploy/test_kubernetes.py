"""deploy/kubernetes: valid by Kubernetes' own schemas, and by the rules that the rest of the product has.

It was not run on a real cluster (docs/operations.md says so); what can be compared with code, is.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import kubernetes_validate
import pytest
import yaml
from pydantic_settings import BaseSettings

from account_gateway.settings import GatewaySettings
from atlas_contracts.callers import MAY_CALL
from atlas_kit.messaging.retention.__main__ import ApplySettings
from atlas_localstack.stack.permissions import GRANTS, inbox
from checkout.settings import CheckoutSettings
from entitlements.settings import EntitlementsSettings
from support.stack import WORKSPACE
from webhook_ingest.settings import IngestSettings

FOLDER = WORKSPACE / "deploy" / "kubernetes"
BASE = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
VERSIONS = ("1.31", "1.37")
"""The oldest and the newest version whose schemas the manifests are compared with."""
SETTINGS: dict[str, type[BaseSettings]] = {
    "account-gateway": GatewaySettings,
    "webhook-ingest": IngestSettings,
    "checkout": CheckoutSettings,
    "entitlements": EntitlementsSettings,
    "retention": ApplySettings,
}
USERS = {"account-gateway": "gateway", "webhook-ingest": "ingest", "checkout": "checkout", "entitlements": "entitlements"}
LOOKS_AT_HEALTH = {"operator"}
"""May reach the gateway without a route in the table: `doctor` asks whether it is ready."""
Manifest = dict[str, Any]


def manifests() -> list[Manifest]:
    return [each for name in BASE["resources"] for each in yaml.safe_load_all((FOLDER / name).read_text())]


def of_kind(kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests() if each["kind"] == kind}


def pod_of(manifest: Manifest) -> Manifest:
    spec: Manifest = manifest["spec"]
    return (spec.get("jobTemplate", {}).get("spec") or spec)["template"]


PODS = {name: pod_of(each) for kind in ("Deployment", "StatefulSet", "CronJob") for name, each in of_kind(kind).items()}
every_pod = pytest.mark.parametrize("name", PODS)
every_service = pytest.mark.parametrize("name", USERS)


def test_the_base_lists_every_file_and_nothing_else() -> None:
    generated = {file for each in BASE["configMapGenerator"] for file in each["files"]}
    assert {path.name for path in FOLDER.iterdir()} == {*BASE["resources"], *generated, "kustomization.yaml"}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_what_kubernetes_takes(version: str) -> None:
    for manifest in manifests():
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("wrong", [{"replica": 2}, {"replicas": "two"}])
def test_a_wrong_field_or_type_would_be_found(wrong: Manifest) -> None:
    manifest = of_kind("Deployment")["checkout"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**manifest, "spec": {**manifest["spec"], **wrong}}, VERSIONS[-1], strict=True)


def test_no_two_manifests_have_the_same_kind_and_name() -> None:
    names = sorted((each["kind"], each["metadata"]["name"]) for each in manifests())
    assert all(one != other for one, other in pairwise(names))


def test_everything_runs_at_least_twice_and_a_drained_machine_leaves_enough() -> None:
    assert set(of_kind("Deployment")) == set(MAY_CALL)
    assert all(each["spec"]["replicas"] >= 2 for each in of_kind("Deployment").values())
    assert of_kind("StatefulSet")["nats"]["spec"]["replicas"] == 3
    budgets = of_kind("PodDisruptionBudget")
    assert set(budgets) == {*MAY_CALL, "nats"}
    for name, budget in budgets.items():
        assert budget["spec"]["selector"]["matchLabels"].items() <= PODS[name]["metadata"]["labels"].items()
    assert int(of_kind("ConfigMap")["atlas"]["data"]["NATS_STREAM_REPLICAS"]) == 3


@every_pod
def test_nothing_has_rights_or_an_identity_that_it_does_not_need(name: str) -> None:
    spec = PODS[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@every_service
def test_a_pod_is_what_its_image_is(name: str) -> None:
    dockerfile = (WORKSPACE / "services" / name / "Dockerfile").read_text()
    [container] = PODS[name]["spec"]["containers"]
    [user], [port] = re.findall(r"^USER (\d+):", dockerfile, re.MULTILINE), re.findall(r"^EXPOSE (\d+)", dockerfile, re.MULTILINE)
    assert PODS[name]["spec"]["securityContext"]["runAsUser"] == int(user)
    assert container["ports"] == [{"name": "http", "containerPort": int(port)}]
    assert of_kind("Service")[name]["spec"]["ports"][0]["port"] == int(port)
    assert container["image"] in {image["name"] for image in BASE["images"]}
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", "what is away elsewhere restarts nobody"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["env"] == [{"name": "NATS_INBOX_PREFIX", "value": inbox(USERS[name])}]


def test_there_is_no_secret_in_it_and_each_pod_gets_its_own_alone() -> None:
    assert not of_kind("Secret")
    for name, pod in PODS.items():
        [container] = pod["spec"]["containers"]
        assert [each["secretRef"]["name"] for each in container["envFrom"] if "secretRef" in each] == [name]
    told = of_kind("ConfigMap")["atlas"]["data"]
    assert not [variable for variable in told if re.search("SECRET|KEY|PASSWORD|DATABASE_URL|NATS_URL", variable)]


@pytest.mark.parametrize("name", SETTINGS)
def test_what_a_service_must_be_told_is_told_or_stands_in_the_table_of_secrets(name: str) -> None:
    needed = {field.upper() for field, info in SETTINGS[name].model_fields.items() if info.is_required()}
    assert needed <= secrets_of(name) | of_kind("ConfigMap")["atlas"]["data"].keys()


def test_the_brokers_secret_has_every_users_password() -> None:
    passwords = {f"NATS_PASSWORD_{user.upper()}" for user in (*GRANTS, "route")}
    assert secrets_of("nats") == {*passwords, "NATS_ROUTES"}
    variables = set(re.findall(r"\$([A-Z_]+)\b(?![.\w])", re.sub(r'"[^"]*"', "", (FOLDER / "nats.conf").read_text())))
    assert variables == secrets_of("nats") | {"NATS_NAME"}


def secrets_of(name: str) -> set[str]:
    """The keys of a secret, by the table in docs/operations.md."""
    [row] = re.findall(rf"^\| `{name}` \| (.*?) \|", (WORKSPACE / "docs" / "operations.md").read_text(), re.MULTILINE)
    return set(re.findall(r"`([A-Z_]+)`", row))


def peers(rule: Manifest) -> set[str]:
    """The callers that a rule lets in, by their label."""
    selectors = [peer["podSelector"] for peer in rule["from"] if "podSelector" in peer]
    return {selector["matchLabels"]["atlas-caller"] for selector in selectors if "atlas-caller" in selector["matchLabels"]}


@every_service
def test_who_may_reach_a_service_is_who_may_call_it(name: str) -> None:
    [rule] = of_kind("NetworkPolicy")[name]["spec"]["ingress"]
    may_call = set().union(*MAY_CALL[name].values()) | LOOKS_AT_HEALTH
    assert peers(rule) == may_call
    ours = {caller for caller in may_call if caller in PODS}
    for caller in ours:
        reached = [to["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
                   for rule in of_kind("NetworkPolicy")[caller]["spec"]["egress"] for to in rule.get("to", []) if "podSelector" in to]  # fmt: skip
        assert name in reached, f"{caller} may call {name} and isn't let out"


def test_nothing_else_is_open() -> None:
    policies = of_kind("NetworkPolicy")
    assert policies["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert set(policies) == {"nothing", "names", *PODS}
    clients, routes = policies["nats"]["spec"]["ingress"]
    assert peers(clients) == {*USERS, "operator", "retention", "reader"}
    assert routes["ports"] == [{"port": 6222, "protocol": "TCP"}]
    to_stripe = {name for name, each in policies.items() for rule in each["spec"].get("egress", []) if rule["ports"][0]["port"] == 443}
    assert to_stripe == {"checkout", "webhook-ingest"}


@every_pod
def test_every_pod_is_known_by_the_labels_that_policies_ask_for(name: str) -> None:
    labels = PODS[name]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == name
    assert labels.get("atlas-caller", name) == name
