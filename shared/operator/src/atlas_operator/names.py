"""The name of whoever gives a command."""

from __future__ import annotations

import getpass

from atlas_operator.terminal.console import misunderstood


def operators_name() -> str:
    """The name of whoever gives the command, as the system knows it: it is kept beside what they say."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user has no name; until Python 3.13 that is a KeyError
        misunderstood(
            "Your name is kept beside what you grant, revoke or dismiss, and this system knows none; "
            "nothing was changed.",
            "Set USER to it, in a container with `docker run -e USER=…`.",
        )
