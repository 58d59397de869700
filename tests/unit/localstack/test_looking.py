"""What `./atlas status` finds out by itself; a cluster's parts are in test_topology."""

from __future__ import annotations

from typing import Any

import pytest

from atlas_localstack.cli import looking
from atlas_localstack.stack.state import PartState, State
from atlas_operator.doctor import pulse
from atlas_operator.doctor.pulse import Pulse

STACK: dict[str, Any] = {
    "services": {"checkout": {"url": "http://127.0.0.1:9"}},
    "nats": {"url": "nats://127.0.0.1:9"}, "postgres": {"databases": {"checkout": "postgresql://127.0.0.1:9/checkout"}},
}  # fmt: skip


def seen(monkeypatch: pytest.MonkeyPatch, stack: dict[str, Any], down: str, found: Pulse) -> tuple[str, list[str]]:
    """Health of the part that the supervisor calls down, and the causes that are named."""
    monkeypatch.setattr(pulse, "take", lambda asked: {part: found if part == down else pulse.WELL for part in asked})
    parts = {part: PartState(health="ok", pid=pid) for pid, part in enumerate(("nats", "postgres", "checkout"), 1)}
    parts[down].health, parts[down].note = "down", "does not answer"
    current, causes = looking.look(State(phase="running", parts=parts), stack)
    return current.parts[down].health, [cause.sentence for cause in causes]


@pytest.mark.parametrize("part", ["nats", "postgres", "checkout"])
def test_a_part_that_is_alone_and_answers_again_is_well(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    assert seen(monkeypatch, STACK, part, pulse.WELL) == ("ok", [])


def test_where_none_answers_it_is_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Pulse("nothing listens there", live=False)
    assert seen(monkeypatch, STACK, "nats", gone) == ("down", ["nats is down; checkout waits for it."])
