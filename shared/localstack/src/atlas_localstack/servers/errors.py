"""The error for an embedded server that can't be started; it says what to do next."""


class ServerError(Exception):
    """An embedded server cannot be started.

    Args:
        message: what happened, in one sentence.
        remedy: what to do about it, in one sentence.
        log: the last lines of the server's own log, oldest first.

    """

    def __init__(self, message: str, remedy: str, log: list[str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.log = log or []

    def __str__(self) -> str:
        return "\n".join([f"{self.message} {self.remedy}", *(f"  | {line}" for line in self.log)])
