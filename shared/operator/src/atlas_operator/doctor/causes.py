"""Which part is the cause, and which only wait for it: from what every part said, without asking anything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from atlas_operator.doctor.pulse import Pulse
from atlas_operator.terminal.words import listed

NATS, POSTGRES, SANDBOX, STRIPE = "nats", "postgres", "sandbox", "Stripe"
GATEWAY, INGEST, CHECKOUT, ENTITLEMENTS, DESK = "account-gateway", "webhook-ingest", "checkout", "entitlements", "desk"

STARTING = "starting"
"""What a pulse says is wrong with a part that has just been started."""
CHECKED: Mapping[str, str] = {
    "broker": NATS,
    "consumer": NATS,
    "database": POSTGRES,
    "entitlements": ENTITLEMENTS,
}
"""Readiness checks of the services, and the part that each asks."""
_PROVIDER = {CHECKOUT: "nobody can buy or restore", INGEST: "pulls fail"}
_DATABASE = {ENTITLEMENTS: "reads are answered 503", CHECKOUT: "nobody can buy"}
MEANS: Mapping[str, Mapping[str, str]] = {
    NATS: {
        INGEST: "Stripe sends webhooks again",
        CHECKOUT: "its facts wait in its outbox",
        ENTITLEMENTS: "new payments wait",
    },
    POSTGRES: _DATABASE,
    f"{POSTGRES} of {ENTITLEMENTS}": {ENTITLEMENTS: _DATABASE[ENTITLEMENTS]},
    f"{POSTGRES} of {CHECKOUT}": {CHECKOUT: _DATABASE[CHECKOUT]},
    SANDBOX: _PROVIDER,
    STRIPE: _PROVIDER,
    ENTITLEMENTS: {GATEWAY: "reads are answered 503", DESK: "nobody can be looked up"},
    CHECKOUT: {GATEWAY: "nobody can buy or restore"},
}
"""Who waits for whom, and what that means for people. Databases may be on servers of their own."""
ORDER = (NATS, POSTGRES, SANDBOX, STRIPE, ENTITLEMENTS, CHECKOUT, INGEST, GATEWAY, DESK)


BY_ITSELF = "just wait"
"""What is to be done about those who wait: they go on by themselves."""


@dataclass(frozen=True)
class Waiting:
    """A part that works again by itself as soon as what it waits for does."""

    part: str
    cause: str
    means: str

    @property
    def sentence(self) -> str:
        """One line."""
        return f"{self.part} waits for {self.cause}: {self.means}"


@dataclass(frozen=True)
class Cause:
    """A part that is wrong by itself."""

    part: str
    pulse: Pulse
    waiting: tuple[Waiting, ...] = ()

    @property
    def sentence(self) -> str:
        """``nats is down; webhook-ingest and checkout wait for it.``"""
        names = [each.part for each in self.waiting]
        waits = f"; {listed(names)} {'waits' if len(names) == 1 else 'wait'} for it" if names else ""
        return f"{self.part} {self._state}{waits}."

    @property
    def _state(self) -> str:
        if self.pulse.failing:
            return f"is not ready ({', '.join(self.pulse.failing)})"
        if self.pulse.wrong == STARTING:
            return "is starting"
        return "does not answer" if self.pulse.silent else "is down"


def needed_by(part: str, known: Collection[str]) -> list[str]:
    """What a part needs, of what is known."""
    return [needed for needed, who in MEANS.items() if part in who and needed in known]


def find(pulses: Mapping[str, Pulse]) -> list[Cause]:
    """The causes, what others need first; each with everybody who waits for it, also through others."""
    seen = {**pulses, **_unseen(pulses)}
    wrong = {part for part, pulse in seen.items() if pulse.wrong}
    waits = {part: [other for other in needed_by(part, wrong) if _explains(other, seen[part])] for part in wrong}
    roots = sorted((part for part in wrong if not waits[part]), key=_rank)
    return [Cause(root, seen[root], tuple(_waiting(root, seen, wrong, waits))) for root in roots]


def _rank(part: str) -> tuple[int, str]:
    return (ORDER.index(part) if part in ORDER else len(ORDER), part)


def _explains(needed: str, pulse: Pulse) -> bool:
    """Whether a part that is wrong so may be wrong because of another: it lives, and says nothing else of itself."""
    return pulse.live and (not pulse.failing or any(_asks(check, needed) for check in pulse.failing))


def _asks(check: str, part: str) -> bool:
    return check in CHECKED and part.startswith(CHECKED[check])


def _waiting(
    root: str, seen: Mapping[str, Pulse], wrong: Collection[str], waits: Mapping[str, Sequence[str]]
) -> Iterator[Waiting]:
    """Those who wait for a part, with those who wait for them; also who is ready and can't do its work without it.

    Who only lacks the broker still answers those who ask it, so nobody suffers through them.
    """
    gone = not seen[root].failing
    told: set[str] = set()
    through = [root]
    while through:
        cause = through.pop(0)
        for part, means in MEANS.get(cause, {}).items():
            at_work = part in seen and part not in wrong
            suffers = gone and (root != NATS or cause == NATS) if at_work else cause in waits.get(part, ())
            if suffers and part not in told:
                told.add(part)
                through.append(part)
                yield Waiting(part, root, means)


def _unseen(pulses: Mapping[str, Pulse]) -> dict[str, Pulse]:
    """Servers whose address nobody gave, and of which every service that needs them says that they fail."""
    found = {}
    for server in (NATS, POSTGRES):
        told = [pulses[part] for part in MEANS[server] if part in pulses and pulses[part].live]
        failing = [any(CHECKED.get(check) == server for check in pulse.failing) for pulse in told]
        if server not in pulses and failing and all(failing):
            found[server] = Pulse("the services say so", live=False)
    return found
