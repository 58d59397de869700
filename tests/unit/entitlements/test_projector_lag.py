"""The age of the oldest fact that waits, from looks at the stream's numbers alone."""

from __future__ import annotations

from typing import Any

from entitlements.adapters.projector_lag import MOST_SAMPLES, ProjectorLag


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def lag() -> tuple[ProjectorLag, Clock]:
    clock, nobody = Clock(), Any
    return ProjectorLag(nobody, clock), clock  # type: ignore[arg-type] # ages need no broker


def test_nothing_waits_where_all_is_folded() -> None:
    looked, clock = lag()
    assert looked.age_beyond(7, 7) == 0
    clock.now += 60
    assert looked.age_beyond(7, 7) == 0


def test_a_message_ages_from_the_first_look_that_saw_it() -> None:
    looked, clock = lag()
    looked.age_beyond(7, 7)
    clock.now += 5
    assert looked.age_beyond(7, 8) == 0
    clock.now += 30
    assert looked.age_beyond(7, 9) == 30


def test_the_age_is_that_of_the_oldest_which_is_left() -> None:
    looked, clock = lag()
    looked.age_beyond(7, 8)
    clock.now += 20
    looked.age_beyond(7, 9)
    clock.now += 10
    assert looked.age_beyond(8, 9) == 10
    assert looked.age_beyond(9, 9) == 0


def test_a_stream_that_was_made_anew_begins_anew() -> None:
    looked, clock = lag()
    looked.age_beyond(700, 800)
    clock.now += 50
    assert looked.age_beyond(0, 3) == 0


def test_looks_over_a_long_outage_stay_bounded_and_keep_the_oldest() -> None:
    looked, clock = lag()
    for last in range(1, 4 * MOST_SAMPLES):
        looked.age_beyond(0, last)
        clock.now += 1
    assert looked.age_beyond(0, 4 * MOST_SAMPLES) == 4 * MOST_SAMPLES - 1
    assert len(looked._samples) <= MOST_SAMPLES + 1
