"""Why a request at the desk is refused; each is answered with a page."""

from __future__ import annotations

from typing import ClassVar


class DeskError(Exception):
    """Base of the desk's refusals. The docstring's first line is what the person reads."""

    status: ClassVar[int] = 500

    def __init__(self, sentence: str = "") -> None:
        super().__init__(sentence or (type(self).__doc__ or "").splitlines()[0])


class NotSignedIn(DeskError):
    """Nobody is signed in with this browser, or the session has ended."""

    status = 401


class NotAllowed(DeskError):
    """You may not do this."""

    status = 403


class NotThere(DeskError):
    """The address is mistyped, or the page has moved."""

    status = 404


class Malformed(DeskError):
    """The form was not understood."""

    status = 400
