"""The user whom a command acts on."""

from __future__ import annotations

from atlas_devstack.operator.client import Operator
from atlas_devstack.operator.lookup import owner

from . import checks
from .console import misunderstood


def a_user(operator: Operator, user: str, command: str) -> None:
    """Refuse an id of Stripe's where a user is meant, unless a user is known by that very name."""
    if not checks.is_stripes(user):
        return
    found = owner(operator, user, may_be_stripes=True)
    if found.is_user:
        return
    belongs = f"It belongs to {found.users[0]}: ./atlas {command} {found.users[0]} …" if found.users else ""
    misunderstood(f"{user} is an id of Stripe's and no user.", belongs or f"./atlas explain {user} looks for its user.")
