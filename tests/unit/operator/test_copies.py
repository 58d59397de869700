"""How many copies what the operator's commands make anew has: what the system has, not one where nobody looked."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from atlas_kit.process.settings import ConfigurationError
from atlas_operator import mirrors
from atlas_operator.commands import republish
from atlas_operator.local import LocalStack
from atlas_operator.mirrors import KeeperUrls
from atlas_operator.target import Target

HERE, ELSEWHERE = (Target({}, SecretStr(""), local=local) for local in (True, False))
NODES = [{"url": f"nats://127.0.0.1:{port}", "pid": port} for port in (1, 2, 3)]


@pytest.mark.parametrize(("nats", "copies"), [({"nodes": NODES}, 3), ({}, 1)], ids=["three nodes", "one server"])
def test_on_the_local_stack_as_many_as_it_has_nodes(monkeypatch: pytest.MonkeyPatch, nats: dict[str, object], copies: int) -> None:
    monkeypatch.setattr(mirrors, "running_stack", lambda _environ: LocalStack({"nats": nats}, {}, {}))
    assert mirrors.copies(HERE, {"NATS_STREAM_REPLICAS": "5"}) == copies

    asked: list[int] = []
    monkeypatch.setattr(mirrors, "remake", lambda _keepers, replicas: asked.append(replicas) or [])
    assert republish._mirrors(HERE, {}) == []
    assert asked == [copies]


def test_elsewhere_as_many_as_is_set_and_three_where_nothing_is() -> None:
    assert [mirrors.copies(ELSEWHERE, given) for given in ({}, {"NATS_STREAM_REPLICAS": "1"})] == [3, 1]


@pytest.mark.parametrize("told", ["0", "6", "three", "-1", "3.0"])
def test_a_number_that_no_broker_takes_is_said_and_nothing_is_made(told: str) -> None:
    given = {"NATS_STREAM_REPLICAS": told}
    with pytest.raises(ConfigurationError, match="a whole number from 1 to 5"):
        mirrors.copies(ELSEWHERE, given)
    assert mirrors.keepers(ELSEWHERE, given) == KeeperUrls(None, None)
    [sentence] = republish._mirrors(ELSEWHERE, given)
    assert sentence.startswith("The readers' mirrors were not looked at. NATS_STREAM_REPLICAS")
