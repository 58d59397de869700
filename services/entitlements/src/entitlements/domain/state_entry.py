"""What a user's entry in the state bucket must say, and when an entry may be replaced by what the outbox says.

A version alone doesn't order the writes: a forgotten user who comes back starts at version 1 again, and an outbox row
of the old life may be delivered late. The ids of the outbox rows do: all writers of the projection exclude each other,
so a later change has a row with a greater id. Each entry therefore names the row that it was written for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """What the bucket holds under a key."""

    revision: int = 0
    """The broker's sequence of the entry, also of the marker that is left by a removal; 0: there was never one."""
    row: int | None = None
    """Id of the outbox row for which it was written; None: somebody else wrote it."""
    version: int = 0
    """Version of the state in it; 0 for a marker, and for something that isn't a state."""
    holds: bool = False
    """Whether there is a value."""


NEVER = Entry()


@dataclass(frozen=True, slots=True)
class Word:
    """What one outbox row says about one key: a new state, or that the user was forgotten (``value`` None)."""

    row: int
    key: str
    value: bytes | None = None
    version: int = 0
    leaves_mark: bool = True
    """Of a removal: whether a marker is needed even where no entry is, because rows about the user may be under way."""


@dataclass(frozen=True, slots=True)
class Write:
    """The last word of several about one key."""

    last: Word
    removed_at: int | None = None
    """The row by which the user was forgotten, if one was among these words."""

    def replaces(self, entry: Entry) -> bool:
        """Whether ``entry`` must be replaced. An entry of a later row is never touched, and within one life of the
        user a version is replaced by a greater one only.
        """
        last = self.last
        if entry.row is not None and entry.row >= last.row:
            return False
        if last.value is None:
            return entry.holds or last.leaves_mark
        if self.removed_at is not None and (entry.row or 0) < self.removed_at:
            return True
        return last.version > entry.version

    @property
    def begins(self) -> bool:
        """Whether there is probably no entry yet."""
        return self.last.version == 1 and self.removed_at is None

    def entry(self, revision: int) -> Entry:
        """What the bucket holds after this write."""
        return Entry(revision, self.last.row, self.last.version, self.last.value is not None)


def last_words(words: Iterable[Word]) -> Mapping[str, Write]:
    """What to write for each key, from words in the order of their rows."""
    writes: dict[str, Write] = {}
    for word in words:
        before = writes.get(word.key)
        if word.value is None:
            known = before is not None and before.last.leaves_mark
            mark = word if word.leaves_mark or not known else Word(word.row, word.key)
            writes[word.key] = Write(mark, word.row)
        elif before is None or before.last.value is None or word.version > before.last.version:
            writes[word.key] = Write(word, before.removed_at if before else None)
    return writes
