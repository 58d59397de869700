"""What the desk's pages ask, answered by the services: `desk.ports.Desk`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE, INGEST_SERVICE
from atlas_contracts.user_id import is_user_id
from atlas_kit.process.logs import get_logger
from atlas_operator import revoking, sentences
from atlas_operator.adjusting import explained_to
from atlas_operator.client import Operator
from atlas_operator.desk.acting import WAITING, Acting
from atlas_operator.desk.errors import NotThere
from atlas_operator.desk.finding import find
from atlas_operator.desk.overview import DoctorsRounds, examination, today
from atlas_operator.desk.person import StaffMember
from atlas_operator.desk.ports import ActionForm, ActionOutcome, DeskUnavailable, FoundBuyers, Row, Today
from atlas_operator.errors import CallFailed, NoTarget
from atlas_operator.target import Target

log = get_logger()

READ_SECONDS = 10.0
CHECK_SECONDS = 2.0
ACT_SECONDS = 40.0
"""Longer than the services' own limits, so that what they say arrives."""
AWAY = "Something that this page needs does not answer now. Nothing was changed by looking; try again in a moment."
NOT_KNOWN = (
    "No answer came in time. What you asked for may have been done all the same: look at the buyer's page before you "
    "repeat it."
)
NAMES = ("payments", "adjustments", "requests", "rejected", "pending")


class Support:
    """Asks the services of one system, as the operator."""

    def __init__(self, target: Target, *, two_people: bool) -> None:
        self._reading, self._checking = Operator(target, READ_SECONDS), Operator(target, CHECK_SECONDS)
        self._searching = Operator(target, ACT_SECONDS)
        self._acting = Acting(self._searching, two_people=two_people)
        self._rounds = DoctorsRounds(examination(target))

    def check(self) -> None:
        self._checking.get(ENTITLEMENTS_SERVICE, WAITING)

    def find(self, query: str) -> FoundBuyers:
        with _answering(AWAY):
            return find(self._searching, query)

    def buyer(self, user_id: str) -> dict[str, Any]:
        if not is_user_id(user_id):
            raise NotThere("That is no user's id.")
        with _answering(AWAY):
            told = explained_to(self._reading, user_id)
            waiting = self._reading.get(ENTITLEMENTS_SERVICE, WAITING, user=user_id)["revokes"]
        parked, unread = self._parked(user_id)
        return {
            **told,
            "sentence": sentences.verdict(told),
            "known": bool(told["verdict"]["version"] or parked or any(told.get(name) for name in NAMES)),
            "parked": parked,
            "restores": [fact for fact in told.get("requests", ()) if str(fact.get("type")).startswith("restore_")],
            "requestIds": _request_ids(told),
            "waitingRevokes": waiting,
            "unread": unread,
        }

    def today(self) -> Today:
        with _answering(AWAY):
            return today(self._reading, self._rounds)

    def act(self, person: StaffMember, asked: ActionForm) -> ActionOutcome:
        with _answering(NOT_KNOWN):
            return self._acting.act(person, asked)

    def _parked(self, user_id: str) -> tuple[list[Row], list[str]]:
        try:
            rows = self._reading.get(INGEST_SERVICE, "/operator/parked")
        except (CallFailed, NoTarget) as error:
            log.warning("desk.unread", path="/operator/parked", error=str(error))
            return [], ["Parked events can't be read now."]
        return [row for row in rows if row.get("userId") == user_id], []


@contextmanager
def _answering(sentence: str) -> Iterator[None]:
    """Turn a service's failure into a sentence for the page; what failed is logged."""
    try:
        yield
    except (CallFailed, NoTarget) as error:
        log.warning("desk.unavailable", error=str(error), status=getattr(error, "status", None))
        raise DeskUnavailable(sentence) from None


def _request_ids(told: Row) -> list[str]:
    """The requests that brought this buyer's facts, the newest first."""
    facts = sorted(revoking.facts(told), key=lambda fact: str(fact.get("receivedAt")), reverse=True)
    return list(dict.fromkeys(str(fact["requestId"]) for fact in facts if fact.get("requestId")))
