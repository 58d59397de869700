"""What can go wrong when an operator asks."""

BAD_REQUEST = 400


class NoTarget(Exception):
    """No system is running or named that could be asked; the message says what to set or start."""


class CallFailed(Exception):
    """A service refused or did not answer; the message is for a person."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def misunderstood(self) -> bool:
        """Whether the service refused the request as malformed (400); the command then exits with 2."""
        return self.status == BAD_REQUEST


class KeysRefused(Exception):
    """A key can't be made or exchanged as asked; the message says what is in the way and what to do first."""
