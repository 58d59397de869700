"""What a mirror holds of the bucket, and which of it the reading under way has seen."""

from __future__ import annotations

import logging

from atlas_client.state import EntitlementState, read_state, state_key

log = logging.getLogger("atlas_client")


class Entries:
    """The newest state of every user. Order is the bucket's own: versions begin again at 1 for a forgotten user."""

    def __init__(self) -> None:
        self._states: dict[str, EntitlementState] = {}
        self._seen: set[str] = set()

    def __len__(self) -> int:
        return len(self._states)

    def get(self, user_id: str) -> EntitlementState | None:
        return self._states.get(state_key(user_id))

    @property
    def seen(self) -> int:
        """Keys that the reading under way has met, with an entry or with the marker of a removal."""
        return len(self._seen)

    def begin(self) -> None:
        """A reading of the whole bucket begins. What is known stays until the reading has reached the end."""
        self._seen = set()

    def take(self, key: str, value: bytes | None) -> EntitlementState | None:
        """An entry, or its removal (None). Returns what has changed by it, if anything."""
        self._seen.add(key)
        state = self._read(key, value) if value is not None else None
        before = self._states.get(key)
        if state is None:
            return self._drop(key)
        self._states[key] = state
        return state if state != before else None

    def end(self) -> list[EntitlementState]:
        """The reading has reached the bucket's end: what it has not met is there no more. Returns what that changes."""
        gone = [self._drop(key) for key in self._states.keys() - self._seen]
        return [state for state in gone if state is not None]

    def _drop(self, key: str) -> EntitlementState | None:
        before = self._states.pop(key, None)
        return EntitlementState.unknown(before.user_id) if before else None

    def _read(self, key: str, value: bytes) -> EntitlementState | None:
        try:
            return read_state(key, value)
        except ValueError as error:
            # What was known before is out of date. Whoever can't be understood is Pro to nobody.
            log.warning("The entry %s of the bucket can't be read, so its user counts as unknown: %s.", key, error)
            return None
