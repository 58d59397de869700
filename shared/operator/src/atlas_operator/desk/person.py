"""Who uses the desk, and what each role may do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Action(StrEnum):
    """What a person can do at the desk; the value is the last part of the route, ``POST /act/<value>``."""

    READ_PAYMENTS = "read-payments"
    REDRIVE = "redrive"
    GRANT = "grant"
    REVOKE = "revoke"
    UNDO = "undo"
    APPROVE = "approve"
    WITHDRAW = "withdraw"


class Role(IntEnum):
    """What somebody may do; each role may do all that the ones before it may."""

    VIEWER = 1
    """Reads pages."""
    AGENT = 2
    """Has Stripe asked again: nothing that only an operator's word makes true."""
    APPROVER = 3
    """Grants and revokes."""


NEEDED: dict[Action, Role] = {
    Action.READ_PAYMENTS: Role.AGENT,
    Action.REDRIVE: Role.AGENT,
    Action.GRANT: Role.APPROVER,
    Action.REVOKE: Role.APPROVER,
    Action.UNDO: Role.APPROVER,
    Action.APPROVE: Role.APPROVER,
    Action.WITHDRAW: Role.APPROVER,
}
"""The role that each action needs."""


@dataclass(frozen=True, slots=True)
class StaffMember:
    """Somebody who is signed in at the desk. ``email`` is in lower case; it goes into the facts they make."""

    email: str
    role: Role

    def may(self, action: Action) -> bool:
        """Whether their role allows the action."""
        return self.role >= NEEDED[action]

    def is_same_as(self, email: str) -> bool:
        """Whether this is the person of that e-mail, however it is written."""
        return self.email.casefold() == email.strip().casefold()


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is signed in. ``csrf`` is what their forms send back in the field ``csrf``."""

    person: StaffMember
    csrf: str


def role_of(email: str, viewers: Collection[str], agents: Collection[str], approvers: Collection[str]) -> Role | None:
    """The highest role whose list has this e-mail (compared without regard to case); None on no list."""
    wanted = email.strip().casefold()
    lists = ((Role.APPROVER, approvers), (Role.AGENT, agents), (Role.VIEWER, viewers))
    return next((role for role, names in lists if wanted in {name.casefold() for name in names}), None)
