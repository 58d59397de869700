"""The sandbox's objects by kind and id, in order of creation, in memory, with an optional journal on disk.

Everything runs on one event loop and no operation awaits half-way, so each operation is atomic
without locks. With a state directory every changed object is appended to ``state.jsonl`` when its
operation ends; the file is rewritten compactly (and atomically) at start.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from stripe_sandbox.shapes import upgraded

Json = dict[str, Any]
JOURNAL = "state.jsonl"
# Fields by which lists are often filtered; they have an index.
INDEXED = ("customer", "payment_intent", "charge", "invoice")


class Collection:
    """All objects of one kind."""

    def __init__(self) -> None:
        self.items: dict[str, Json] = {}
        self.order: list[str] = []
        self.position: dict[str, int] = {}
        self.index: dict[tuple[str, str], dict[str, None]] = {}

    def put(self, identifier: str, item: Json) -> None:
        """Insert, or replace in place."""
        if identifier not in self.position:
            self.position[identifier] = len(self.order)
            self.order.append(identifier)
        self.items[identifier] = item
        for field in INDEXED:
            value = item.get(field)
            if isinstance(value, str):
                self.index.setdefault((field, value), {})[identifier] = None

    def remove(self, identifier: str) -> None:
        """Remove an object; its place in the order stays empty."""
        item = self.items.pop(identifier)
        for field in INDEXED:
            value = item.get(field)
            if isinstance(value, str):
                self.index.get((field, value), {}).pop(identifier, None)

    def sort(self) -> None:
        """Put what was inserted late at its place in the order of creation; an object without a time stays put."""
        if not all("created" in item for item in self.items.values()):
            return
        self.order = sorted(self.items, key=lambda identifier: self.items[identifier]["created"])
        self.position = {identifier: place for place, identifier in enumerate(self.order)}

    def newest_first(self, start: int | None = None) -> Iterator[Json]:
        """From the given place (exclusive; else the end) to the oldest."""
        for place in range((len(self.order) if start is None else start) - 1, -1, -1):
            item = self.items.get(self.order[place])
            if item is not None:
                yield item

    def oldest_first(self, start: int = -1) -> Iterator[Json]:
        """From the given place (exclusive) to the newest."""
        for place in range(start + 1, len(self.order)):
            item = self.items.get(self.order[place])
            if item is not None:
                yield item

    def having(self, field: str, value: str) -> list[Json]:
        """Objects whose indexed field has this value, newest first."""
        ids = sorted(self.index.get((field, value), {}), key=self.position.__getitem__, reverse=True)
        return [self.items[identifier] for identifier in ids]


class Store:
    """Collections by kind. ``put`` after each change; ``commit`` at the end of an operation."""

    def __init__(self, directory: Path | None = None) -> None:
        self.collections: dict[str, Collection] = {}
        self.revision = 0
        self._dirty: dict[tuple[str, str], None] = {}
        self._journal: TextIO | None = None
        if directory is not None:
            self._open(directory)

    def of(self, kind: str) -> Collection:
        """The collection of one kind, empty when there is none yet."""
        return self.collections.setdefault(kind, Collection())

    def get(self, kind: str, identifier: str) -> Json | None:
        """The object itself (not a copy), or None."""
        return self.of(kind).items.get(identifier)

    def put(self, kind: str, identifier: str, item: Json) -> None:
        """Store a new or changed object."""
        self.of(kind).put(identifier, item)
        self._dirty[kind, identifier] = None

    def remove(self, kind: str, identifier: str) -> None:
        """Remove an object."""
        self.of(kind).remove(identifier)
        self._dirty[kind, identifier] = None

    def commit(self) -> None:
        """Write the changes since the last commit to the journal, so that they survive a kill of this process."""
        if not self._dirty:
            return
        self.revision += 1
        if self._journal is not None:
            self._journal.write("".join(self._line(kind, identifier) for kind, identifier in self._dirty))
            self._journal.flush()
        self._dirty.clear()

    def close(self) -> None:
        """Commit, and close the file."""
        self.commit()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _line(self, kind: str, identifier: str) -> str:
        return json.dumps([kind, identifier, self.get(kind, identifier)], separators=(",", ":")) + "\n"

    def _open(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / JOURNAL
        if path.exists():
            self._replay(path)
            for collection in self.collections.values():
                collection.sort()
        fresh = path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            fresh.chmod(0o600)
            for kind, collection in self.collections.items():
                file.writelines(
                    self._line(kind, identifier) for identifier in collection.order if identifier in collection.items
                )
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        self._journal = path.open("a", encoding="utf-8")

    def _replay(self, path: Path) -> None:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    kind, identifier, item = json.loads(line)
                except ValueError:
                    break  # the last line, cut off by a kill
                if item is not None:
                    self.of(kind).put(identifier, upgraded(kind, item))
                elif identifier in self.of(kind).items:
                    self.of(kind).remove(identifier)
