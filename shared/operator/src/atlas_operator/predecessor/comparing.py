"""Comparing the web app's verdict on every user with ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE
from atlas_contracts.user_id import FORGOTTEN, is_user_id
from atlas_operator.client import Operator
from atlas_operator.predecessor.connection import Predecessor
from atlas_operator.predecessor.rows import moment_and_count, people
from atlas_operator.predecessor.there import NOBODY, verdict_there
from atlas_operator.sentences import reasons
from atlas_operator.terminal.progress import Advance

Verdict = Mapping[str, Any]
UNKNOWN = "There is no such account there."


@dataclass(slots=True)
class Comparison:
    """How many were compared, and who differs: ``userId``, ``there``, ``here`` and why."""

    users: int = 0
    differ: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    """Accounts that were deleted there, softly, and are Pro here: left out, since nobody can sign in as them."""

    def as_json(self) -> dict[str, Any]:
        return {"users": self.users, "equal": self.users - len(self.differ), "differ": self.differ}


def compare(operator: Operator, old: Predecessor, here: Mapping[str, Verdict], step: Advance) -> Comparison:
    """Everybody there, and whoever is Pro here and not there. Raises CallFailed."""
    found = Comparison()
    _, count = moment_and_count(old, everybody=True)
    seen: set[str] = set()
    for batch in people(old, everybody=True):
        for person in batch:
            mine = here.get(person.id, NOBODY)
            if person.state == "there":
                found.users += 1
                _compare(operator, found, person.id, verdict_there(person), mine)
            elif person.state == "deleted" and mine["isPro"]:
                found.deleted.append(person.id)
            if person.state != "missing":
                seen.add(person.id)
        step(len(seen), count)
    for user_id, mine in here.items():
        if mine["isPro"] and user_id not in seen and not user_id.startswith(FORGOTTEN):
            found.users += 1
            _compare(operator, found, user_id, NOBODY, mine, f"{UNKNOWN} ")
    return found


def verdicts_here(operator: Operator) -> dict[str, Verdict]:
    """Our verdict on everybody who ever had one."""
    rows: Iterator[dict[str, Any]] = operator.lines(ENTITLEMENTS_SERVICE, "/operator/holders")
    return {str(row["userId"]): {name: row[name] for name in NOBODY} for row in rows}


def _compare(
    operator: Operator, found: Comparison, user_id: str, there: Verdict, here: Verdict, beside: str = ""
) -> None:
    if there == here:
        return
    told: dict[str, Any] = {"userId": user_id, "there": dict(there), "here": dict(here)}
    if is_user_id(user_id):
        explained = operator.get(ENTITLEMENTS_SERVICE, "/operator/explain", user=user_id)
        now = {name: explained["verdict"][name] for name in NOBODY}
        if now == there:
            return  # it has become the same while everybody was read
        told |= {"here": now, "because": f"{beside}{reasons(explained)}"}
    else:
        told["because"] = "Its user id is none that can be Pro here."
    found.differ.append(told)
