"""The entitlement stream while there is no broker: it asks by itself, slowly."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from support.gateway import PRO, cookie_of, entitlement_view, new_user

STREAM = "/api/pro/entitlement/stream"
NONE = {"isPro": False, "status": "none", "source": None, "restoredAt": None, "updatedAt": None}


def events(lines: Iterator[str]) -> Iterator[dict[str, Any] | str]:
    """Each event's data, and each comment as it is."""
    name = ""
    for line in lines:
        if line.startswith(":"):
            yield line
        elif line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            assert name == "entitlement"
            yield json.loads(line.removeprefix("data: "))


def test_the_entitlement_comes_at_once_and_again_on_a_change(world: Any) -> None:
    user = new_user()
    world.entitlements.answer("GET /internal/entitlement", entitlement_view(user))
    with world.client.stream("GET", STREAM, headers=cookie_of(user)) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store, no-transform"
        told = (event for event in events(response.iter_lines()) if isinstance(event, dict))
        assert next(told) == NONE
        world.entitlements.answer("GET /internal/entitlement", entitlement_view(user, **PRO))
        assert next(told)["isPro"] is True


def test_what_has_not_changed_is_not_told_again_and_heartbeats_keep_it_open(world: Any) -> None:
    user = new_user()
    world.entitlements.answer("GET /internal/entitlement", entitlement_view(user, **PRO))
    started = time.monotonic()
    with world.client.stream("GET", STREAM, headers=cookie_of(user)) as response:
        told = list(events(response.iter_lines()))
    assert 1.5 < time.monotonic() - started < 6, "the server ends a stream after its time (2 s here)"
    assert [event for event in told if isinstance(event, dict)] == [told[0]]
    assert 4 <= told.count(": heartbeat") <= 7


def test_the_entitlements_service_going_away_does_not_end_it(world: Any) -> None:
    user = new_user()
    world.entitlements.answer("GET /internal/entitlement", entitlement_view(user))
    with world.client.stream("GET", STREAM, headers=cookie_of(user)) as response:
        told = events(response.iter_lines())
        assert next(told) == NONE
        world.entitlements.answers.clear()
        assert next(told) == ": heartbeat"
        world.entitlements.answer("GET /internal/entitlement", entitlement_view(user, **PRO))
        assert next(event for event in told if isinstance(event, dict))["isPro"] is True


def test_it_is_503_when_there_is_nothing_to_tell(world: Any) -> None:
    world.entitlements.answers.clear()
    world.entitlements.answer("GET /internal/entitlement", {})
    response = world.client.get(STREAM, headers=cookie_of(new_user()))
    assert (response.status_code, response.json()["error"]["recovery"]) == (503, "retry_later")
