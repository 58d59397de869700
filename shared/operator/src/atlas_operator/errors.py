"""Errors of the operator's commands."""

BAD_REQUEST = 400


class NotUnderstood(Exception):
    """What was typed can't be meant; nothing was done. The message is one sentence, the exit code 2."""


class NoTarget(Exception):
    """No system is running or configured; the message says what to start or set."""


class CallFailed(Exception):
    """A service refused or did not answer; the message is for a person. ``said``: the service's own words, if any."""

    def __init__(self, message: str, status: int | None = None, said: str = "") -> None:
        super().__init__(message)
        self.status, self.said = status, said

    @property
    def misunderstood(self) -> bool:
        """Whether the service refused the request as malformed (400); the command then exits with 2."""
        return self.status == BAD_REQUEST


class KeysRefused(Exception):
    """A key can't be made or exchanged as asked; the message says what is in the way and what to do first."""


class KeyNameRefused(KeysRefused, NotUnderstood):
    """The name of a key is no service's name."""
