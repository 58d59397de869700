"""Gauges that are read when Prometheus asks, so that nothing is read while nobody looks.

A figure asks a dependency (the broker, the database) and sets its gauges. One that gets no answer in time leaves its
gauges as it says itself; the others are shown all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from prometheus_client import Gauge

from atlas_kit.process.logs import get_logger

log = get_logger()

FIGURE_SECONDS = 2.0
"""A figure that takes longer is given up for this time; Prometheus waits ten seconds for all of them."""

Figure = Callable[[], Awaitable[None]]
"""Reads something and sets gauges. Raises whatever the dependency raises."""

CHECK_FAILING = Gauge("atlas_check_failing", "1 while a readiness check of /readyz fails, else 0.", ["check"])


async def read_figures(figures: Sequence[Figure]) -> None:
    """Read all figures at once."""
    await asyncio.gather(*(_read(figure) for figure in figures))


async def _read(figure: Figure) -> None:
    try:
        async with asyncio.timeout(FIGURE_SECONDS):
            await figure()
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, the other metrics are shown
        log.debug("metrics.figure_unknown", error=type(error).__name__)


def note_checks(names: Mapping[str, object], failing: Sequence[str]) -> None:
    """Show which readiness checks fail."""
    for name in names:
        CHECK_FAILING.labels(name).set(name in failing)
