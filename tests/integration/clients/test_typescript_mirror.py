"""The TypeScript mirror through the same situations as the Python one, with fewer users."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from atlas_client.mirror import TRUST_SECONDS
from atlas_contracts.streams import ENTITLEMENTS, STATE, state_key, state_subject
from support.mirror_in_node import NodeMirror, becomes, mirror_in_node
from support.state_scene import LINK, Scene, data, state_scene

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

USERS = 1_000
SLACK_SECONDS = 3.0


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with state_scene() as made:
        asyncio.run(made.change({f"user_{number}": number % 3 > 0 for number in range(USERS)}))
        yield made


@pytest.fixture
async def mirror(scene: Scene) -> AsyncIterator[NodeMirror]:
    """A mirror that is current, over a connection that can be broken; it is watched for a stale Pro all the time."""
    scene.proxies.heal()
    async with mirror_in_node(scene.through) as one:
        assert await one.do("start", timeoutMs=60_000) == "started"
        assert await one.equals(scene)
        await one.do("told")
        watch = asyncio.create_task(watched(one, scene))
        yield one
        scene.proxies.heal()
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


async def watched(mirror: NodeMirror, scene: Scene) -> None:
    while True:
        before = time.monotonic()
        said = await mirror.do("look", users=list(scene.ended))
        stale = [user for user, since in scene.ended.items() if before - since > TRUST_SECONDS + SLACK_SECONDS and said["users"].get(user, [0, False])[1]]
        assert not (said["current"] and stale), f"Pro still, and current: {stale[:5]}"
        await asyncio.sleep(0.2)


async def equal(mirror: NodeMirror, scene: Scene) -> None:
    await becomes(lambda: mirror.equals(scene), what="the mirror is current and equals the truth")


async def doubted(mirror: NodeMirror) -> None:
    async def is_not_current() -> bool:
        return not await mirror.is_current()

    await becomes(is_not_current, TRUST_SECONDS + SLACK_SECONDS, "the mirror is not current")


def some(scene: Scene, number: int, *, are_pro: bool = True) -> list[str]:
    return [user for user, true in scene.truth.items() if true["isPro"] is are_pro][:number]


def ended(*users: str) -> dict[str, bool]:
    return dict.fromkeys(users, False)


async def test_a_listener_is_told_of_everybody_once_and_one_that_fails_stops_nothing(scene):
    async with mirror_in_node(scene.url) as mirror:
        await mirror.do("start")
        assert sorted(user for user, _, _ in await mirror.do("told")) == sorted(scene.truth)
        [user] = some(scene, 1)
        await scene.change(ended(user))
        await equal(mirror, scene)
        assert await mirror.do("told") == [[user, scene.truth[user]["version"], False]]


async def test_stopped_it_is_not_current_and_started_again_it_knows_what_happened(mirror, scene):
    await mirror.do("stop")
    assert not await mirror.is_current()
    await scene.change(ended(*some(scene, 50)))
    await scene.forget(*some(scene, 3))
    assert await mirror.do("start") == "started"
    assert await mirror.equals(scene)
    assert await mirror.do("start") == "The mirror runs already."


async def test_a_killed_broker_is_noticed_and_followed_back(mirror, scene):
    scene.kill()
    await doubted(mirror)
    scene.start()
    await scene.change(ended(*some(scene, 50)))
    await equal(mirror, scene)


async def test_an_administrator_deletes_the_consumer_and_the_stream_of_events(mirror, scene):
    assert await scene.delete_consumers() >= 1
    await doubted(mirror)
    await scene.delete_stream(ENTITLEMENTS.name)
    await scene.make_streams()
    await scene.change(ended(*some(scene, 50)))
    await equal(mirror, scene)


@pytest.mark.parametrize("away", [False, True], ids=["while it watches", "while it is away"])
async def test_a_bucket_made_anew_is_no_continuation_of_the_old_one(mirror, scene, away):
    if away:
        scene.proxies.call(LINK, "refuse")
    gone = some(scene, 20)
    await scene.delete_stream(STATE.name)
    await doubted(mirror)
    for user in gone:
        del scene.truth[user]
        scene.ended[user] = time.monotonic()
    await scene.republish()
    await scene.change({user: true["isPro"] for user, true in scene.truth.items()})  # past the old sequence
    scene.proxies.heal()
    await equal(mirror, scene)


async def test_offline_while_everything_changes(mirror, scene):
    scene.proxies.call(LINK, "refuse")
    await doubted(mirror)
    await scene.change({user: not true["isPro"] for user, true in scene.truth.items()})
    await scene.forget(*some(scene, 20))
    scene.proxies.heal()
    await equal(mirror, scene)


@pytest.mark.parametrize("fault", ["swallow", "stall"])
async def test_a_connection_that_only_seems_to_be_there_is_noticed(mirror, scene, fault):
    scene.proxies.call(LINK, fault)
    await scene.change(ended(*some(scene, 1)))
    await doubted(mirror)
    scene.proxies.heal()
    await equal(mirror, scene)


async def test_a_storm_of_changes_and_cuts_in_the_middle_of_a_message(mirror, scene):
    async def storm() -> None:
        for number in range(8):
            await scene.change({user: (number + at) % 2 == 0 for at, user in enumerate(list(scene.truth))})

    blowing = asyncio.create_task(storm())
    while not blowing.done():
        scene.proxies.set(LINK, "cut_after", 50_000)
        await asyncio.sleep(1)
    await blowing
    scene.proxies.heal()
    await equal(mirror, scene)


async def test_a_forgotten_user_is_gone_and_may_return_at_version_1(mirror, scene):
    user = next(user for user in scene.truth if scene.truth[user]["version"] > 1)
    await scene.forget(user)
    await equal(mirror, scene)
    assert await mirror.do("told") == [[user, 0, False]]
    await scene.change({user: True})
    await equal(mirror, scene)
    assert await mirror.do("told") == [[user, 1, True]]


async def test_entries_that_leave_without_a_marker_or_cant_be_read_make_nobody_pro(mirror, scene):
    purged = some(scene, 3)
    await scene.purge(*purged)
    await equal(mirror, scene)
    one, two = some(scene, 2)
    async with scene.writer() as connection:
        for user, value in ((one, b"not json"), (two, str(data(two, 9, is_pro=True)).encode())):
            await connection.jetstream().publish(state_subject(state_key(user)), value)

    async def nobody_is() -> bool:
        return not await mirror.is_pro(one) and not await mirror.is_pro(two)

    await becomes(nobody_is)
    await scene.change(dict.fromkeys((one, two), True))
    await equal(mirror, scene)


async def test_it_waits_for_a_broker_and_says_why_it_has_to():
    async with mirror_in_node("nats://127.0.0.1:1") as mirror:
        assert (await mirror.do("start", timeoutMs=1_500)).startswith("The mirror is not current after 1500 ms: ")
        assert not await mirror.is_current()
