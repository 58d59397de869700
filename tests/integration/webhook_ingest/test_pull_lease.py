"""One replica pulls at a time, whoever dies and whatever its clock says; how a pull ended is known to all."""

from __future__ import annotations

import asyncio
import time

import pytest
from pydantic import SecretStr

from atlas_kit.messaging.broker import Broker
from support.pulling import ListedEvents, World, moved_clock
from webhook_ingest.adapters.pull_state import Ended, PullState
from webhook_ingest.adapters.stripe_events import StripeUnavailable
from webhook_ingest.use_cases.read_missed_events import PullBusy

pytestmark = pytest.mark.anyio


async def test_while_one_replica_pulls_another_waits(world: World) -> None:
    other = PullState(world.broker, 1)
    assert await other.take_lease()
    with pytest.raises(PullBusy):
        await world.pull(world.lists())
    await other.release_lease()
    assert (await world.pull(world.lists()))[-1]["stage"] == "done"


async def test_the_sweep_runs_under_the_lease_alone(world: World) -> None:
    await world.state.advance(world.now - 40 * 86_400)
    swept, other = [], PullState(world.broker, 1)

    async def sweep() -> int:
        swept.append(await other.take_lease())
        return 7

    assert await other.take_lease()
    with pytest.raises(PullBusy):
        await world.pull(world.lists(), sweep)
    assert swept == [], "somebody else pulls, and sweeps"
    await other.release_lease()
    await world.pull(world.lists(), sweep)
    assert swept == [False], "nobody else may pull meanwhile"


async def test_the_lease_is_kept_through_a_sweep_that_takes_longer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook_ingest.adapters.pull_state.RENEW_SECONDS", 0.01)
    await world.state.advance(world.now - 40 * 86_400)
    other = PullState(world.broker, 1)

    async def revision() -> int:
        return (await (await world.broker.jetstream.key_value("INGEST")).get("pull-lease")).revision or 0

    async def sweep() -> int:
        first = await revision()
        async with asyncio.timeout(10):
            while await revision() == first:
                await asyncio.sleep(0.01)
        assert not await other.take_lease()
        return 0

    await world.pull(world.lists(), sweep)
    assert await other.take_lease(), "given back at the end"


@pytest.mark.parametrize("removed", ["delete", "purge"])
async def test_a_lease_whose_key_was_deleted_can_be_had_again(world: World, removed: str) -> None:
    assert await world.state.take_lease()
    bucket = await world.broker.jetstream.key_value("INGEST")
    await getattr(bucket, removed)("pull-lease")
    assert await PullState(world.broker, 1).take_lease()


def failures(reason: str) -> float:
    from prometheus_client import REGISTRY

    return REGISTRY.get_sample_value("atlas_pull_failures_total", {"reason": reason}) or 0.0


class NoAnswer(ListedEvents):
    """Stripe refuses already the first question."""

    async def now(self) -> int:
        raise StripeUnavailable("stripe_permission")


async def test_a_pull_that_fails_counts_with_its_reason_until_one_succeeds(world: World) -> None:
    before = failures("stripe_permission")
    with pytest.raises(StripeUnavailable):
        await world.pull(NoAnswer(world.now))
    assert failures("stripe_permission") == before + 1
    elsewhere = PullState(world.broker, 1)
    ended = await elsewhere.ended()
    assert ended and ended.reason == "stripe_permission" and "Events: Read" in (ended.message or "")
    await world.pull(world.lists())
    ended = await elsewhere.ended()
    assert ended and ended.reason is None


async def test_a_busy_pull_and_a_dry_run_count_nothing(world: World) -> None:
    other = PullState(world.broker, 1)
    assert await other.take_lease()
    before = failures("unforeseen") + failures("service_unavailable") + failures("stripe_permission")
    with pytest.raises(PullBusy):
        await world.pull(world.lists())
    with pytest.raises(StripeUnavailable):
        await world.pull(NoAnswer(world.now), dry_run=True)
    assert failures("unforeseen") + failures("service_unavailable") + failures("stripe_permission") == before
    assert await world.state.ended() is None


async def test_a_failure_that_the_broker_could_not_be_told_is_known_here(world: World) -> None:
    deaf = Broker(SecretStr("nats://127.0.0.1:9"), "deaf")
    state = PullState(deaf, 1)
    await state.end(Ended(1.0, "broker_unavailable", "No."))
    state._bucket = world.state._bucket  # it is back
    assert await state.ended() == Ended(1.0, "broker_unavailable", "No.")
    await state.end(Ended(2.0))
    assert await state.ended() == await world.state.ended() == Ended(2.0)


async def test_of_many_replicas_exactly_one_takes_the_lease(world: World) -> None:
    replicas = [PullState(world.broker, 1) for _ in range(8)]
    taken = await asyncio.gather(*(replica.take_lease() for replica in replicas))
    assert sum(taken) == 1


async def test_a_dead_replicas_lease_expires(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, living = PullState(world.broker, 1), PullState(world.broker, 1)
    assert await dead.take_lease()
    assert not await living.take_lease()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 61)
    assert await living.take_lease()
    assert not await dead.take_lease()


async def test_a_lease_that_a_clock_ahead_wrote_blocks_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, living = PullState(world.broker, 1), PullState(world.broker, 1)
    with moved_clock(monkeypatch, 3600):
        assert await dead.take_lease()
    assert await living.take_lease(), "nobody holds it for an hour"
    assert not await dead.take_lease()
