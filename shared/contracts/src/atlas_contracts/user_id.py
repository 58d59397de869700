"""The one definition of a user id, for sessions, tokens, metadata, operators and imports.

A user id is never trimmed. If one place trimmed it and another didn't, one user would become two: ``"mia "`` would pay
and ``mia`` would be Pro. So an id with white space at an end is refused everywhere.
"""

from __future__ import annotations

from typing import Annotated, TypeGuard

from pydantic import AfterValidator, StringConstraints

from atlas_contracts.text import is_invisible

MAX_USER_ID = 255
"""In characters."""
FORGOTTEN = "forgotten:"
"""Prefix of the random alias that replaces a forgotten user's id; no user has such an id any more."""
DESCRIPTION = f"1 to {MAX_USER_ID} printable characters, none of them white space or invisible at its ends"


def is_user_id(value: object) -> TypeGuard[str]:
    """Whether ``value`` is a user id: :data:`DESCRIPTION`. Inside, a plain space is allowed; control, zero-width and
    bidirectional characters, lone surrogates and other kinds of white space are not.
    """
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_USER_ID
        and value.isprintable()
        and not is_invisible(value[0])
        and not is_invisible(value[-1])
    )


def _checked(value: str) -> str:
    if not is_user_id(value):
        raise ValueError(f"a user id is {DESCRIPTION}")
    return value


UserId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_USER_ID), AfterValidator(_checked)]
"""The type of a model's field that holds a user id."""
