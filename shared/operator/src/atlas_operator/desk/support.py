"""What the desk's pages ask, answered by the services: `desk.ports.Desk`."""

from __future__ import annotations

from typing import Any

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE
from atlas_operator.client import Operator
from atlas_operator.desk.person import Person
from atlas_operator.desk.ports import Asked, Found, Outcome, Today
from atlas_operator.target import Target
from atlas_operator.terminal import explained


class Support:
    """Asks the services of one system, as the operator."""

    def __init__(self, target: Target, *, two_people: bool) -> None:
        self._operator, self._two_people = Operator(target), two_people

    def check(self) -> None:
        self._operator.get(ENTITLEMENTS_SERVICE, "/operator/state")

    def find(self, query: str) -> Found:
        return Found((query,))

    def buyer(self, user_id: str) -> dict[str, Any]:
        told = self._operator.get(ENTITLEMENTS_SERVICE, "/operator/explain", user=user_id)
        return {**told, "sentence": explained.sentence(told)}

    def today(self) -> Today:
        return Today()

    def act(self, person: Person, asked: Asked) -> Outcome:
        raise NotImplementedError
