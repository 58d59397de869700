"""Which entry of the state bucket may be replaced by what."""

from __future__ import annotations

import itertools

import pytest

from entitlements.adapters.state_bucket import ROW_HEADER, entry_of
from entitlements.domain.state_entry import NEVER, Entry, Word, last_words


def state(row: int, version: int) -> Word:
    return Word(row, "key", b"{}", version)


def removal(row: int, *, leaves_mark: bool = True) -> Word:
    return Word(row, "key", leaves_mark=leaves_mark)


def stored(entry: Entry, *words: Word) -> Entry:
    """The entry after these words of one batch."""
    [write] = last_words(words).values()
    return write.entry(entry.revision + 1) if write.replaces(entry) else entry


def test_the_greatest_version_of_a_batch_is_written_once():
    [write] = last_words([state(1, 1), state(2, 2), state(3, 3)]).values()
    assert (write.last.version, write.begins) == (3, False)


def test_a_row_that_is_delivered_late_changes_nothing():
    now = stored(stored(NEVER, state(1, 1)), state(2, 2))
    assert stored(now, state(1, 1)) == now


def test_an_old_version_under_a_new_row_changes_nothing():
    now = stored(NEVER, state(2, 2))
    assert stored(now, state(9, 1)) == now


def test_a_user_who_comes_back_starts_at_version_1_again():
    gone = stored(stored(NEVER, state(1, 7)), removal(2))
    assert not gone.holds
    assert stored(gone, state(3, 1)).version == 1
    assert stored(stored(NEVER, state(1, 7)), removal(2), state(3, 1)).version == 1, "in one batch"


def test_a_late_row_of_the_old_life_does_not_come_back_over_the_new_one():
    gone = stored(stored(NEVER, state(1, 7)), removal(3))
    assert stored(gone, state(2, 8)) == gone
    back = stored(gone, state(4, 1))
    assert stored(back, state(2, 8)) == back
    assert stored(back, removal(3)) == back, "the removal itself delivered late"


def test_forgetting_leaves_a_marker_where_a_row_may_be_under_way_and_nowhere_else():
    assert stored(NEVER, removal(1)).revision == 1
    assert stored(NEVER, removal(1, leaves_mark=False)) == NEVER
    assert not stored(stored(NEVER, state(1, 1)), removal(2, leaves_mark=False)).holds
    [write] = last_words([state(1, 1), removal(2), removal(3, leaves_mark=False)]).values()
    assert write.replaces(NEVER), "the second removal of a batch knows nothing of the user any more"


@pytest.mark.parametrize("foreign", [Entry(5, None, 3, True), Entry(5, None, 0, True), Entry(5)])
def test_of_an_entry_that_somebody_else_wrote_the_version_decides(foreign):
    assert stored(foreign, state(1, 4)).version == 4
    assert stored(foreign, state(1, 3)).version == 3
    assert not stored(foreign, removal(1)).holds


@pytest.mark.parametrize("row", ["", "-1", "x", "１", "9" * 5000])
def test_a_header_that_is_no_row_of_ours_counts_as_none(row):
    assert entry_of(5, {ROW_HEADER: row}, b'{"version": 3}') == Entry(5, None, 3, True)
    assert entry_of(5, {ROW_HEADER: "7"}, b'{"version": true}') == Entry(5, 7, 0, True)
    assert entry_of(5, {ROW_HEADER: "7", "KV-Operation": "DEL"}, b"") == Entry(5, 7)


def test_whatever_comes_again_in_between_the_last_row_wins():
    """A row is delivered once those before it are; any of those may be delivered again at any moment."""
    words = [state(1, 1), state(2, 2), removal(3), state(4, 1), state(5, 2)]
    for again in itertools.product(*(words[: number + 1] for number in range(len(words)))):
        entry = NEVER
        for word, late in zip(words, again, strict=True):
            entry = stored(stored(entry, word), late)
            assert (entry.row, entry.version) == (word.row, word.version), again
