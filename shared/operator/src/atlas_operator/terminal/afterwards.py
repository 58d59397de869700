"""What is the case after a command has changed something: one user's verdict, or how many users are Pro."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from atlas_contracts.internal_api import ENTITLEMENTS_SERVICE
from atlas_operator.adjusting import explained_to
from atlas_operator.client import Operator
from atlas_operator.errors import CallFailed, NoTarget
from atlas_operator.revoking import knows
from atlas_operator.terminal import explained
from atlas_operator.terminal.console import NOTE_MARK, remark, say
from atlas_operator.terminal.words import counted

SETTLED_SECONDS = 5.0
"""How long new facts may take until they are folded; what takes longer is said to be on its way."""
POLL_SECONDS = 0.2

Figures = dict[str, int]


def verdict(operator: Operator, user: str | None) -> None:
    """The user's verdict as it is now; nothing where an event names nobody."""
    if not user:
        return
    try:
        told = operator.get(ENTITLEMENTS_SERVICE, "/operator/explain", user=user)
    except (CallFailed, NoTarget) as error:
        remark(NOTE_MARK, f" The verdict that results can't be read: {error}")
        return
    explained.verdict_of(told)


@dataclass
class Effect:
    """What a command knows of its effect: whether anything new was told, which is folded a moment later."""

    news: bool = False


@contextlib.contextmanager
def compared(operator: Operator, *, quiet: bool) -> Iterator[Effect]:
    """Say how many users are Pro after what is done inside, and how many were before; ``quiet``: say nothing."""
    effect = Effect()
    before = None if quiet else _figures(operator)
    yield effect
    if quiet:
        return
    after = before and _settled(operator, before, news=effect.news)
    if not before or not after:
        remark(NOTE_MARK, " How many users are Pro now can't be read; ./atlas status tells why.")
        return
    _say(after["pro"], f" ({before['pro']:,} before)")


def how_many(operator: Operator) -> None:
    """Say how many users are Pro, after what changes no verdict."""
    if now := _figures(operator):
        _say(now["pro"])


def _say(pro: int, before: str = "") -> None:
    say(f"{counted(pro, 'user')} {'is' if pro == 1 else 'are'} Pro now{before}.")


def _settled(operator: Operator, before: Figures, *, news: bool) -> Figures | None:
    """The figures as soon as two looks in a row find the same ledger, and where there is news another than before."""
    deadline, last = time.monotonic() + SETTLED_SECONDS, before
    while True:
        now = _figures(operator)
        settled = now == last and not (news and now == before)
        if now is None or settled or time.monotonic() > deadline:
            return now
        last = now
        time.sleep(POLL_SECONDS)


def _figures(operator: Operator) -> Figures | None:
    """How many facts the ledger has, and how many users are Pro; None where entitlements can't say."""
    try:
        told = operator.get(ENTITLEMENTS_SERVICE, "/operator/state")
        return {name: int(told[name]) for name in ("ledgerFacts", "pro")}
    except (CallFailed, NoTarget, KeyError, TypeError, ValueError):
        return None


def once_applied(operator: Operator, user: str | None, event_id: str) -> None:
    """The user's verdict, as soon as this event is among their facts."""
    if not user:
        return
    deadline = time.monotonic() + SETTLED_SECONDS
    while not knows(explained_to(operator, user), event_id):
        if time.monotonic() > deadline:
            say(NOTE_MARK, " It is not applied yet; ./atlas parked list shows it where it was parked again.")
            break
        time.sleep(POLL_SECONDS)
    verdict(operator, user)
