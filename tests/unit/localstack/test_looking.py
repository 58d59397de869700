"""`./atlas status` where there is more than one of a part: that another answers doesn't make the first one well."""

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
CLUSTER: dict[str, Any] = {
    "services": {"checkout": {"url": "http://127.0.0.1:9", "replicas": [{"pid": 3}, {"pid": 4}]}},
    "nats": {**STACK["nats"], "nodes": [{"pid": 1}, {"pid": 2}]}, "postgres": {**STACK["postgres"], "standby": {"pid": 5}},
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


@pytest.mark.parametrize("part", ["nats", "checkout"])
def test_where_others_answer_one_that_is_down_stays_down_and_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    assert seen(monkeypatch, CLUSTER, part, pulse.WELL) == ("down", [])


def test_a_standby_that_answers_is_no_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(monkeypatch, CLUSTER, "postgres", pulse.WELL) == ("down", ["postgres is down; checkout waits for it."])


def test_where_none_answers_it_is_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Pulse("nothing listens there", live=False)
    assert seen(monkeypatch, CLUSTER, "nats", gone) == ("down", ["nats is down; checkout waits for it."])
