"""One purchase as a life story's teller remembers it, to be compared with what the stack says."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(repr=False)
class Bought:
    """One purchase, as the teller remembers it."""

    session: str
    customer: str | None
    intent: str | None = None
    amount: int = 0
    state: str = "open"
    """open, processing, paid, failed, expired"""
    ours: bool = True
    """False for a payment link's session: it must never grant."""
    refunds: dict[str, tuple[int, str]] = field(default_factory=dict)
    disputes: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        ours = "" if self.ours else " by a payment link"
        back, disputes = list(self.refunds.values()), list(self.disputes.values())
        return f"<{self.session[-6:]} of {self.amount}{ours} {self.state}, refunds {back}, disputes {disputes}>"

    @property
    def given_back(self) -> int:
        return sum(amount for amount, status in self.refunds.values() if status in ("pending", "succeeded"))

    @property
    def refunded(self) -> bool:
        return self.given_back >= self.amount

    @property
    def stands(self) -> bool:
        return self.paid and not self.refunded and "lost" not in self.disputes.values()

    @property
    def paid(self) -> bool:
        return self.state == "paid" and self.ours


class Wrong(AssertionError):
    """The stack said something else than what is true."""
