"""One user's entitlement: the user is Pro while any payment, or an operator's adjustment, grants.

Each of these is a grant with periods of its own. The verdict's start is the start of the current period without a gap;
its source is that of the earliest grant that is still valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from entitlements.domain.facts import Adjustment, ImportedGrant, Knowledge
from entitlements.domain.payment import Interval
from entitlements.domain.policy import ENDED_THERE

SOURCES = ("stripe", "ios_iap", "android_iap", "manual")
"""The order that decides a tie between grants that began at the same moment."""

Status = Literal["none", "active", "revoked"]


@dataclass(frozen=True, slots=True)
class Grant:
    """The periods in which one source grants."""

    source: str
    intervals: tuple[Interval, ...]
    why: Literal["operator", "imported", "purchase"] = "purchase"
    """What made the user Pro, in the word that is told with the verdict."""

    @property
    def lasts(self) -> bool:
        return bool(self.intervals) and self.intervals[-1].end is None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a user is Pro, since when and from which source; ``active_until`` is None while the user is Pro."""

    is_pro: bool = False
    status: Status = "none"
    source: str | None = None
    active_from: datetime | None = None
    active_until: datetime | None = None


NOTHING_KNOWN = Verdict()
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Time:
    interval: Interval
    source: str


def decide(grants: Iterable[Grant]) -> Verdict:
    """The verdict on a user, from all their grants. A user who was Pro and isn't now has status revoked, never none."""
    times = [_Time(interval, grant.source) for grant in grants for interval in grant.intervals]
    if not times:
        return NOTHING_KNOWN
    lasting = [time for time in times if time.interval.end != time.interval.start]
    last = _last_unbroken(lasting or times)
    ends = [time.interval.end for time in last]
    end = None if None in ends else max(filter(None, ends))
    holding = [time for time in last if time.interval.end == end]
    first = min(holding, key=lambda time: (time.interval.start, SOURCES.index(time.source)))
    return Verdict(
        is_pro=end is None,
        status="active" if end is None else "revoked",
        source=first.source,
        active_from=min(time.interval.start for time in last),
        active_until=end,
    )


def grants_by_word(knowledge: Knowledge) -> tuple[Grant, ...]:
    """What was granted to a user by word: an operator's, and that of the app that we replace.

    An operator's revoke ends both, and nothing else; whatever that app granted before it stays ended, in whatever
    order the two became known. That app's own revoke ends only what that app granted.
    """
    told = sorted(
        (min(tellings).at, snapshot.action == "revoke", snapshot.id)
        for snapshot, tellings in knowledge.items()
        if isinstance(snapshot, Adjustment)
    )  # at the same instant, revoke sorts last and counts
    imported = _imported(knowledge, [at for at, revoked, _ in told if revoked])
    return (_by_operator(told), *([imported] if imported else ()))


def _by_operator(told: Sequence[tuple[datetime, bool, str]]) -> Grant:
    intervals: list[Interval] = []
    start: datetime | None = None
    for at, revoked, _ in told:
        if not revoked:
            start = start or at
        elif start is not None:
            intervals.append(Interval(start, at, "revoked_by_operator"))
            start = None
    if start is not None:
        intervals.append(Interval(start))
    return Grant("manual", tuple(intervals), "operator")


def last_imported(knowledge: Knowledge) -> ImportedGrant | None:
    """What the other app said last; of one instant that which has ended holds."""
    said = [snapshot for snapshot in knowledge if isinstance(snapshot, ImportedGrant)]
    # What is compared beyond that only makes the choice the same everywhere.
    return max(said, key=lambda s: (s.as_of, s.active_until is not None, *_whole(s)), default=None)


def _whole(grant: ImportedGrant) -> tuple[datetime, datetime, str]:
    return grant.active_until or grant.as_of, grant.active_from, grant.source


def _imported(knowledge: Knowledge, revoked: Sequence[datetime]) -> Grant | None:
    """What the other app said last, ended by an operator's first revoke after it began."""
    last = last_imported(knowledge)
    if last is None:
        return None
    interval = Interval(last.active_from, last.active_until, ENDED_THERE if last.active_until else None)
    ended = min((at for at in revoked if at >= last.active_from), default=None)
    if ended and (last.active_until is None or ended < last.active_until):
        interval = Interval(last.active_from, ended, "revoked_by_operator")
    return Grant(last.source, (interval,), "imported")


def _last_unbroken(times: Sequence[_Time]) -> list[_Time]:
    """The periods that together form the latest time without a gap. Where one ends as another begins there is none."""
    stretch: list[_Time] = []
    reach = _EARLIEST
    for time in sorted(times, key=lambda t: t.interval.start):
        if time.interval.start > reach:
            stretch = []
        stretch.append(time)
        reach = max(reach, time.interval.end or _LATEST)
    return stretch
