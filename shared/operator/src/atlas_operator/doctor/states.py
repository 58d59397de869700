"""Whether the bucket that tells other services who is Pro says what the projection says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE
from atlas_operator.client import Operator
from atlas_operator.doctor.causes import NATS, POSTGRES
from atlas_operator.doctor.finding import Report
from atlas_operator.doctor.services import ask
from atlas_operator.doctor.signs import Signs
from atlas_operator.terminal.words import counted

AREA = "broker"
MEND = "./atlas republish writes it again from the projection."


def look(operator: Operator, known: Collection[str], signs: Signs) -> Report:
    """Ask the entitlements service, which compares both."""
    report = Report(AREA)
    if ENTITLEMENTS_SERVICE not in known:
        return report
    needs = (NATS, f"{POSTGRES} of {ENTITLEMENTS_SERVICE}")
    what = "the bucket of states was"
    found = ask(report, operator, signs, ENTITLEMENTS_SERVICE, "/operator/states", what, *needs)
    if found is None:
        return report
    if wrong := differences(found):
        report.error(f"the bucket of states differs from the projection: {wrong}", MEND)
    else:
        users, compared = int(found["users"]), int(found["compared"])
        sample = "" if compared == users else f" (of {users:,}; ./atlas rebuild --verify compares all)"
        report.ok(f"the bucket of states says what the projection says of {counted(compared, 'user')}{sample}")
    return report


def differences(found: Mapping[str, Any]) -> str:
    """What differs, in words; empty where nothing does."""
    if not found["bucket"]:
        return "it is missing, so other services can't learn who is Pro"
    counts = (
        ("missing", "user", "without an entry"),
        ("different", "user", "with an entry that says something else"),
        ("extra", "key", "of nobody"),
    )
    told = [f"{counted(int(found[name]), noun)} {words}" for name, noun, words in counts if found[name]]
    examples = ", ".join(str(user) for user in found.get("examples", [])[:5])
    return "; ".join(told) + (f" ({examples})" if examples and told else "")
