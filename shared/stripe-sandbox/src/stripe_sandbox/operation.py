"""One operation on the sandbox's objects: its time, its changes, and the events that it makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from stripe_sandbox.errors import no_such
from stripe_sandbox.ids import new_id
from stripe_sandbox.settings import API_VERSION, Settings
from stripe_sandbox.shapes import without_absent
from stripe_sandbox.store import Json, Store


@dataclass(slots=True)
class World:
    """Everything that operations share. ``clock`` gives seconds since 1970; ``publish`` gets each new event."""

    settings: Settings
    store: Store
    clock: Callable[[], float]
    publish: Callable[[Json], None] = field(default=lambda _event: None)

    @contextmanager
    def operation(self, request_id: str | None = None, idempotency_key: str | None = None) -> Iterator[Operation]:
        """Run one operation. When it ends, also by an error, its changes are committed and its events published."""
        op = Operation(self, int(self.clock()), request_id, idempotency_key)
        try:
            yield op
        finally:
            self.store.commit()
            for event in op.events:
                self.publish(event)


@dataclass(slots=True)
class Operation:
    """What a use case works with. ``now`` is fixed, so that everything it makes has the same second."""

    world: World
    now: int
    request_id: str | None = None
    idempotency_key: str | None = None
    events: list[Json] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return self.world.store

    @property
    def settings(self) -> Settings:
        return self.world.settings

    def get(self, kind: str, identifier: str, param: str | None = None) -> Json:
        """The object, else resource_missing: 404, or 400 when ``param`` referred to it."""
        found = self.store.get(kind, identifier)
        if found is None:
            raise no_such(kind, identifier, param or "id", 400 if param else 404)
        return found

    def put(self, item: Json) -> Json:
        """Store a new or changed API object."""
        self.store.put(item["object"], item["id"], without_absent(item))
        return item

    def emit(self, event_type: str, item: Json, previous: Json | None = None) -> Json:
        """Record an event with the object's present state.

        The store keeps an event's ``data`` as text, which is a cheap copy (see ``endpoints.shown_event``).
        """
        data: Json = {"object": item}
        if previous is not None:
            data["previous_attributes"] = previous
        event: Json = {
            "id": new_id("event"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": json.dumps(data, separators=(",", ":"), ensure_ascii=False),
            "livemode": False,
            "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            "type": event_type,
        }
        self.put(event)
        self.events.append(event)
        return event

    def private(self, identifier: str) -> Json:
        """What Stripe knows about an object but doesn't show (a session's items, metadata for its later payment)."""
        return self.store.get("private", identifier) or {}

    def put_private(self, identifier: str, item: Json) -> None:
        """Store what ``private`` gives back."""
        self.store.put("private", identifier, item)


def change(item: Json, **values: Any) -> Json:
    """Set fields and return their previous values: an update event's ``previous_attributes``."""
    previous = before(item, values)
    item.update(values)
    return previous


def before(item: Json, values: Json) -> Json:
    """The present values of fields that ``values`` would change: null if absent; of hashes only changed members."""
    previous: Json = {}
    for name, value in values.items():
        old = item.get(name)
        if old != value:
            if isinstance(old, dict) and isinstance(value, dict):
                previous[name] = before(old, {**dict.fromkeys(old), **value})
            else:
                previous[name] = old
    return previous


def merge_metadata(current: Json, update: Any) -> Json:
    """Stripe's rule: given keys are set, empty values unset their key, an empty whole unsets all."""
    if update == "":
        return {}
    return {key: value for key, value in {**current, **update}.items() if value != ""}
