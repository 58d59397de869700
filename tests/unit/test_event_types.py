"""Stripe's event types are listed once, in the mapping: everything else that needs the list takes it from there."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys

from atlas_stripe.mapping import SUPPORTED_EVENT_TYPES
from support.stack import WORKSPACE

ADDED = "customer.discount.created"  # a type that is not handled
USERS = f"""
import json, runpy
from types import SimpleNamespace as Like
from atlas_stripe import mapping
mapping._EVENT_MAPPERS["{ADDED}"] = mapping._EVENT_MAPPERS["charge.refunded"]
mapping.SUPPORTED_EVENT_TYPES = tuple(mapping._EVENT_MAPPERS)

from atlas_localstack.stack import plan
from atlas_operator.doctor import provider
from atlas_operator.doctor.finding import Report
from atlas_operator.stripe_setup import endpoint
from webhook_ingest.adapters import pull_state, stripe_events
from webhook_ingest.use_cases import admit

def asked(name):
    return name

plan.as_setting = lambda key: key
stack = Like(stripe=Like(secret_key="", price_id="", webhook_secret=""), url=asked, public_url="", signing_key=asked)
report = Report("stripe")
provider._endpoint(report, Like(url="", enabled_events=["charge.refunded"], api_version=None))
print(json.dumps({{
    "webhook": sorted(admit.SUPPORTED),
    "pull": stripe_events.SUPPORTED_EVENT_TYPES,
    "what the pull has read": pull_state.SUPPORTED_EVENT_TYPES,
    "the local sandbox": plan._sandbox(stack)["SANDBOX_WEBHOOK_EVENTS"].split(","),
    "the sandbox in containers": runpy.run_path("deploy/generate.py")["events_env"]().split("=")[1].strip().split(","),
    "stripe setup": endpoint.SUPPORTED_EVENT_TYPES,
    "doctor": ["charge.refunded", *report.findings[0].what.partition(" does not get ")[2].split(", ")],
}}))
"""


def test_a_type_that_is_added_to_the_mapping_is_everywhere_else() -> None:
    done = subprocess.run([sys.executable, "-c", USERS], capture_output=True, text=True, cwd=WORKSPACE, timeout=60)
    assert done.returncode == 0, done.stderr
    for user, types in json.loads(done.stdout).items():
        assert set(types) == {*SUPPORTED_EVENT_TYPES, ADDED}, user


def test_no_other_code_has_a_list_of_them() -> None:
    lists = {}
    for path in [*WORKSPACE.glob("services/*/src/**/*.py"), *WORKSPACE.glob("shared/*/src/**/*.py"), *WORKSPACE.glob("deploy/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
                inside = {each.value for each in ast.iter_child_nodes(node) if isinstance(each, ast.Constant)}
                if len(inside & set(SUPPORTED_EVENT_TYPES)) >= 3:
                    lists[path.name] = len(inside)
    assert lists == {"mapping.py": len(SUPPORTED_EVENT_TYPES)}


def test_the_mappings_own_table_names_each_and_no_other() -> None:
    said = (WORKSPACE / "shared/stripe/src/atlas_stripe/mapping.py").read_text().partition('"""\n\nfrom')[0]
    told: list[str] = []
    for row in re.findall(r"^\| ([a-z_.,* ]+?)(?:, paid or free|, unpaid \(delayed method\))? \|", said, re.MULTILINE):
        for name in re.split(r", ", row):
            told.append(told[-1].rpartition(".")[0] + name if name.startswith(".") else name)
    named = {name for name in told if "." in name}
    for name in SUPPORTED_EVENT_TYPES:
        assert {name, name.rpartition(".")[0] + ".*"} & named, f"{name} has no row in the mapping's table"
    for name in named:
        assert any(re.fullmatch(name.replace("*", ".+"), known) for known in SUPPORTED_EVENT_TYPES), f"{name} is not handled"
