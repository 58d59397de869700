"""Where everything stands in the picture of a buyer's time line. The template draws it as an SVG.

The axis is not to scale: each further instant is a step to the right, and a long wait makes a longer step (by its
logarithm). So the seconds of a purchase can be told apart from one another beside a refund that came a year later.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from atlas_operator.desk.pages.history import FactSeen, History, Lane, Period

WIDTHS = (328, 640, 720, 1060)
"""Widths in which the picture is drawn; the style sheet shows the one that fits."""
MARGIN, TOP, LANE, BAND, LINE = 14, 46, 56, 58, 19
MOST_LANES = 8
CLUSTER = 19.0
"""Marks nearer than this (pixels) become one, which tells how many it stands for."""
TICK_WIDTH = 104
LETTER = 7.4
"""A letter's width in the text below the picture (pixels)."""
TOLD_AT_ONCE = 3
IMPORTANCE = (
    "other",
    "opened",
    "asked",
    "pending",
    "warning",
    "paid",
    "grant",
    "failed",
    "dispute",
    "refund",
    "revoke",
)
"""Kinds of marks: of several in one place the last of these gives its shape."""
MARKS: Mapping[str, tuple[str, str]] = {
    "paid": ("M-7 0a7 7 0 1 0 14 0a7 7 0 1 0-14 0Z", "Paid"),
    "opened": ("M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z", "Checkout opened"),
    "pending": ("M-6-6H6L-6 6H6Z", "On its way"),
    "refund": ("M5-7V7L-7 0Z", "Refund"),
    "dispute": ("M0-8L8 0L0 8L-8 0Z", "Dispute"),
    "failed": ("M-7-4L-4-7L0-3L4-7L7-4L3 0L7 4L4 7L0 3L-4 7L-7 4L-3 0Z", "Failed"),
    "warning": ("M0-7L8 7H-8Z", "Fraud warning"),
    "grant": ("M-2.5-7H2.5V-2.5H7V2.5H2.5V7H-2.5V2.5H-7V-2.5H-2.5Z", "Granted by an operator"),
    "revoke": ("M-8-3H8V3H-8Z", "Revoked by an operator"),
    "asked": ("M-6-6H6V6H-6Z", "Restore"),
    "other": ("M-4-4H4V4H-4Z", "Something else"),
}
"""The shape of each kind around (0, 0), and what the legend calls it. Shapes differ, not only colours."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One fact, or several so near to each other that they share a place. ``tip`` are the lines that tell them."""

    x: float
    kind: str
    count: int
    anchor: str
    label: str
    tip: tuple[str, ...]

    @property
    def shape(self) -> str:
        """The path of its kind."""
        return MARKS[self.kind][0]


@dataclass(frozen=True, slots=True)
class Span:
    """A period on a lane or in the band."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Row:
    """A lane as it is drawn."""

    y: int
    title: str
    state: str
    line: Span
    spans: tuple[Span, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A date at the top. ``anchor``: which part of the text is at ``x`` (start, middle, end)."""

    x: float
    anchor: str
    day: str
    time: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture. All numbers are pixels of an SVG of ``width`` × ``height``."""

    width: int
    height: int
    ticks: tuple[Tick, ...]
    rows: tuple[Row, ...]
    band_y: int
    band: tuple[Span, ...]
    tip_y: int
    legend: tuple[tuple[str, str, str], ...]
    """Kind, shape and name of each kind of mark that is in the picture."""

    @property
    def inner(self) -> int:
        """The width between the margins."""
        return self.width - 2 * MARGIN


def picture(history: History, width: int, now: datetime) -> Picture | None:
    """The picture in this width; None where there is nothing to draw."""
    if not history.facts:
        return None
    scale = _Scale(history, width, now)
    lanes = _few(history.lanes)
    rows = tuple(_row(lane, TOP + LANE * index, scale) for index, lane in enumerate(lanes))
    band_y = TOP + LANE * len(lanes)
    kinds = {fact.kind for fact in history.facts}
    return Picture(
        width,
        band_y + BAND + LINE * max(len(mark.tip) for row in rows for mark in row.marks) + 4,
        tuple(scale.ticks()),
        rows,
        band_y,
        tuple(map(scale.span, history.verdict)),
        band_y + BAND,
        tuple((kind, *MARKS[kind]) for kind in MARKS if kind in kinds),
    )


class _Scale:
    """Where an instant stands."""

    def __init__(self, history: History, width: int, now: datetime) -> None:
        self.width = width
        last = max(now, history.facts[0].at)
        periods = [at for period in history.verdict for at in (period.start, period.end) if at]
        self._instants = sorted({*(fact.at for fact in history.facts), *periods, last})
        steps = [0.0]
        for before, after in zip(self._instants, self._instants[1:], strict=False):
            steps.append(steps[-1] + 1 + 1.5 * math.log10(1 + (after - before).total_seconds()))
        factor = (width - 2 * MARGIN) / (steps[-1] or 1)
        self._places = {at: round(MARGIN + step * factor, 1) for at, step in zip(self._instants, steps, strict=True)}
        self.now = last

    def x(self, at: datetime) -> float:
        if at not in self._places:  # the period of a lane that the verdict doesn't show
            at = min(self._instants, key=lambda known: abs(known - at))
        return self._places[at]

    def span(self, period: Period) -> Span:
        start, end = self.x(period.start), self.x(period.end or self.now)
        return Span(start, max(2.0, round(end - start, 1)))

    def ticks(self) -> Iterator[Tick]:
        """The first instant, the present, and as many between them as have room."""
        first, last = self._instants[0], self.now
        end = self.width - MARGIN
        yield Tick(MARGIN, "start", f"{first:%-d %b %Y}", f"{first:%H:%M:%S}")
        free = MARGIN + 1.6 * TICK_WIDTH
        for at in self._instants[1:-1]:
            x = self._places[at]
            if free <= x <= end - 1.6 * TICK_WIDTH:
                yield Tick(x, "middle", f"{at:%-d %b %Y}", f"{at:%H:%M:%S}")
                free = x + TICK_WIDTH
        if end - MARGIN > 2 * TICK_WIDTH or last != first:
            yield Tick(end, "end", "now" if last > self._instants[0] else "", f"{last:%H:%M:%S}")


def _few(lanes: Sequence[Lane]) -> list[Lane]:
    """At most :data:`MOST_LANES`; of more, those that begin earliest become one."""
    if len(lanes) <= MOST_LANES:
        return list(lanes)
    older, newer = lanes[: -(MOST_LANES - 1)], lanes[-(MOST_LANES - 1) :]
    facts = sorted((fact for lane in older for fact in lane.facts), key=lambda fact: fact.at)
    periods = tuple(period for lane in older for period in lane.periods)
    return [Lane(f"{len(older)} that began earlier", tuple(facts), periods, "told"), *newer]


def _row(lane: Lane, y: int, scale: _Scale) -> Row:
    lasts = lane.state in ("grants", "pending", "refused")
    line = scale.span(Period(lane.facts[0].at, None if lasts else lane.facts[-1].at))
    room = int((scale.width - 2 * MARGIN) / LETTER)
    title = " · ".join(text for text in (short(lane.name), lane.note) if text)
    marks = tuple(_marks(lane.facts, scale))
    return Row(
        y, textwrap.shorten(title, room, placeholder="…"), lane.state, line, tuple(map(scale.span, lane.periods)), marks
    )


def short(name: str) -> str:
    """A payment's long id, with its middle left out."""
    return name if len(name) <= 24 or " " in name else f"{name[:9]}…{name[-6:]}"


def _marks(facts: Iterable[FactSeen], scale: _Scale) -> Iterator[Mark]:
    near: list[FactSeen] = []
    for fact in facts:
        if near and scale.x(fact.at) - scale.x(near[0].at) >= CLUSTER:
            yield _mark(near, scale)
            near = []
        near.append(fact)
    if near:
        yield _mark(near, scale)


def _mark(facts: Sequence[FactSeen], scale: _Scale) -> Mark:
    chief = max(facts, key=lambda fact: IMPORTANCE.index(fact.kind))
    told = sorted(facts, key=lambda fact: IMPORTANCE.index(fact.kind), reverse=True)[:TOLD_AT_ONCE]
    lines = [fact.line for fact in sorted(told, key=lambda fact: fact.at)]
    more = [f"and {len(facts) - len(lines)} more: the table has all"] if len(facts) > len(lines) else []
    letters = int((scale.width - 2 * MARGIN) / LETTER)
    per_line = 2 if scale.width < TICK_WIDTH * 4 else 1
    wrapped = [part for line in lines for part in textwrap.wrap(line, letters, max_lines=per_line, placeholder="…")]
    return Mark(
        scale.x(facts[0].at), chief.kind, len(facts), chief.anchor, "; ".join(lines + more), tuple(wrapped + more)
    )
