"""The user of a session: the one for whom we made it if our table has it, else the user in its metadata."""

from __future__ import annotations

from collections.abc import Iterable

from atlas_kit.storage.database import Database
from atlas_stripe.objects import Read, StripeObject
from checkout.adapters import attempts


def named_in(session: StripeObject) -> str | None:
    """The user in the metadata that our server set; a customer or a client_reference_id alone proves nothing."""
    user_id = (session.get("metadata") or {}).get("userId")
    return user_id if isinstance(user_id, str) and user_id else None


async def sessions_of(database: Database, user_id: str, sessions: Iterable[Read]) -> list[Read]:
    """Those of ``sessions`` that are the user's; our own record counts more than metadata, which may be edited."""
    sessions = list(sessions)
    owners = await attempts.owners_of_sessions(database, [session.id for session in sessions])
    return [session for session in sessions if owners.get(session.id, named_in(session.body)) == user_id]
