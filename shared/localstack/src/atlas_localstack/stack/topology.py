"""How many processes a stack has of each thing: one, or what `./atlas up --brokers 3 --replicas N --standby` asks for.

The first process of a kind has the kind's name (`nats`, `entitlements`, `postgres`), further ones a number behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

BROKERS = (1, 3)
"""A cluster of three nodes goes on with any two of them; other numbers add nodes and no safety on one machine."""
MOST_REPLICAS = 8
START_SECONDS, START_OF_MORE_SECONDS = 90.0, 180.0
"""How long a start may take: of one process of everything, and of more."""


@dataclass(frozen=True)
class Topology:
    """What was asked for."""

    brokers: int = 1
    replicas: int = 1
    """Processes of each of the four services."""
    standby: bool = False

    @property
    def is_default(self) -> bool:
        """Whether there is one process of everything."""
        return self == Topology()

    @property
    def start_seconds(self) -> float:
        """How long the start of this stack may take."""
        return START_SECONDS if self.is_default else START_OF_MORE_SECONDS


def numbered(kind: str, number: int) -> str:
    """The name of the process with this number, counted from 1."""
    return kind if number == 1 else f"{kind}-{number}"


def all_of(kind: str, count: int) -> list[str]:
    """The names of so many processes of one kind."""
    return [numbered(kind, number) for number in range(1, count + 1)]


def kind_of(part: str) -> str:
    """What a process is one of: `entitlements` for `entitlements-2`."""
    kind, _, number = part.rpartition("-")
    return kind if kind and number.isdigit() else part


def number_of(part: str) -> int:
    """Which one of its kind a process is, counted from 1."""
    return 1 if kind_of(part) == part else int(part.rpartition("-")[2])


def wrong(brokers: int, replicas: int) -> Iterator[str]:
    """What can't be meant, in a sentence each."""
    if brokers not in BROKERS:
        yield f"--brokers {brokers} is neither 1 nor 3: two nodes stop when either is away, so they are worse than one."
    if not 1 <= replicas <= MOST_REPLICAS:
        yield f"--replicas {replicas} is not a whole number from 1 to {MOST_REPLICAS}."
