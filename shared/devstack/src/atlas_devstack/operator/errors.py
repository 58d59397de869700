"""What can go wrong when an operator asks."""

BAD_REQUEST = 400


class NoTarget(Exception):
    """There is nothing to ask; the message says what to do."""


class CallFailed(Exception):
    """A service refused or did not answer; the message is for a person."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def misunderstood(self) -> bool:
        """Whether what was asked for made no sense to the service."""
        return self.status == BAD_REQUEST
