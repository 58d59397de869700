"""The Python mirror against a real broker: whatever happens, 10,000 users equal the truth, and no stale Pro while it says that it is current."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from atlas_client import EntitlementMirror, EntitlementState
from atlas_client.mirror import TRUST_SECONDS
from atlas_contracts.streams import ENTITLEMENTS, STATE, state_key
from support.state_scene import LINK, Scene, data, state_scene, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]

USERS = 10_000
SLACK_SECONDS = 2.0
"""The test's own delay in noticing, on a busy machine."""


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with state_scene() as made:
        asyncio.run(made.change({f"user_{number}": number % 3 > 0 for number in range(USERS)}))
        yield made


@pytest.fixture
async def mirror(scene: Scene) -> AsyncIterator[EntitlementMirror]:
    """A mirror that is current, over a connection that can be broken; it is watched for a stale Pro all the time."""
    scene.proxies.heal()
    one = EntitlementMirror(scene.through)
    await one.start(60)
    assert differences(one, scene) == []
    watch = asyncio.create_task(watched(one, scene))
    yield one
    scene.proxies.heal()
    watch.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watch
    await one.stop()


async def watched(mirror: EntitlementMirror, scene: Scene) -> None:
    """Fails when somebody is Pro here who has not been for longer than a mirror may be trusted."""
    while True:
        before = time.monotonic()
        if mirror.current:
            stale = [user for user, since in scene.ended.items() if before - since > TRUST_SECONDS + SLACK_SECONDS and mirror.is_pro(user)]
            assert not stale or not mirror.current, f"Pro still, and current: {stale[:5]}"
        await asyncio.sleep(0.1)


def differences(mirror: EntitlementMirror, scene: Scene) -> list[str]:
    """What the mirror says otherwise than the truth, about everybody it or the truth knows."""
    wrong = [
        user
        for user, true in scene.truth.items()
        if (state := mirror.get(user)) is None or (state.version, state.is_pro, state.reason) != (true["version"], true["isPro"], true["reason"]) or mirror.is_pro(user) != true["isPro"]
    ]
    return wrong if len(mirror) == len(scene.truth) else [*wrong, f"{len(mirror)} users, not {len(scene.truth)}"]


async def equal(mirror: EntitlementMirror, scene: Scene) -> None:
    await until(lambda: mirror.current and not differences(mirror, scene), what="the mirror is current and equals the truth")


def some(scene: Scene, number: int, *, are_pro: bool) -> list[str]:
    return [user for user, true in scene.truth.items() if true["isPro"] is are_pro][:number]


def ended(*users: str) -> dict[str, bool]:
    return dict.fromkeys(users, False)


async def test_what_it_says_of_a_user_is_the_whole_state(mirror, scene):
    user = some(scene, 1, are_pro=True)[0]
    true = scene.truth[user]
    assert mirror.get(user) == EntitlementState(
        user_id=user, is_pro=True, status="active", version=true["version"], product_key="pro_lifetime_v1", source="stripe",
        active_from=datetime(2026, 11, 1, 10, tzinfo=UTC), active_until=None, reason="purchase", caused_by=true["causedBy"],
    )  # fmt: skip
    assert mirror.get("nobody") is None and mirror.is_pro("nobody") is False


async def test_a_change_is_told_and_what_came_before_is_not_told_again(mirror, scene):
    told: list[EntitlementState] = []
    mirror.on_change(told.append)
    [user] = some(scene, 1, are_pro=True)
    await scene.change(ended(user))
    await until(lambda: told, what="the change is told")
    assert [(state.user_id, state.is_pro) for state in told] == [(user, False)]
    await equal(mirror, scene)


async def test_who_listens_from_the_beginning_is_told_of_everybody_once(scene):
    told: list[str] = []
    mirror = EntitlementMirror(scene.url)

    async def slow(state: EntitlementState) -> None:
        await asyncio.sleep(0)
        told.append(state.user_id)

    mirror.on_change(slow)
    async with mirror:
        await until(lambda: len(told) >= len(scene.truth))
        await scene.delete_consumers()
        await until(lambda: not mirror.current)
        await until(lambda: mirror.current)
    assert sorted(told) == sorted(scene.truth)


async def test_a_callback_that_fails_stops_neither_the_mirror_nor_the_others(mirror, scene, caplog):
    told: list[str] = []

    def failing(state: EntitlementState) -> None:
        raise RuntimeError("a defect of the service")

    mirror.on_change(failing)
    remove = mirror.on_change(lambda state: told.append(state.user_id))
    one, two = some(scene, 2, are_pro=True)
    await scene.change(ended(one))
    await until(lambda: told == [one])
    remove()
    await scene.change(ended(two))
    await equal(mirror, scene)
    assert told == [one]
    assert "a defect of the service" in caplog.text


async def test_a_mirror_that_was_stopped_is_not_current_and_knows_everything_after_its_next_start(mirror, scene):
    await mirror.stop()
    assert not mirror.current
    await scene.change(ended(*some(scene, 50, are_pro=True)))
    await scene.forget(*some(scene, 3, are_pro=True))
    await mirror.start(60)
    assert mirror.current and differences(mirror, scene) == []


async def test_a_killed_broker_is_noticed_at_once_and_the_mirror_follows_it_back(mirror, scene):
    scene.kill()
    await until(lambda: not mirror.current, TRUST_SECONDS)
    scene.start()
    await scene.change(ended(*some(scene, 50, are_pro=True)))
    await equal(mirror, scene)


async def test_a_consumer_that_an_administrator_deletes_is_noticed(mirror, scene):
    assert await scene.delete_consumers() >= 1
    await until(lambda: not mirror.current, TRUST_SECONDS)
    await scene.change(ended(*some(scene, 50, are_pro=True)))
    await equal(mirror, scene)


async def test_the_stream_of_events_is_not_needed_and_may_vanish_with_all_it_held(mirror, scene):
    await scene.delete_stream(ENTITLEMENTS.name)
    await scene.make_streams()
    await scene.change(dict.fromkeys(some(scene, 10, are_pro=False), True))
    await equal(mirror, scene)


async def test_a_bucket_made_anew_counts_from_the_start_and_what_it_has_no_more_is_gone(mirror, scene):
    gone = some(scene, 20, are_pro=True)
    await scene.delete_stream(STATE.name)
    await until(lambda: not mirror.current, TRUST_SECONDS + SLACK_SECONDS)
    assert mirror.is_pro(gone[0]), "what was known stays until there is something newer"
    for user in gone:
        del scene.truth[user]
        scene.ended[user] = time.monotonic()
    await scene.republish()
    await equal(mirror, scene)


async def test_a_bucket_made_anew_while_the_mirror_was_away_is_no_continuation_of_the_old_one(mirror, scene):
    gone = some(scene, 20, are_pro=True)
    scene.proxies.call(LINK, "refuse")
    await until(lambda: not mirror.current, TRUST_SECONDS)
    await scene.delete_stream(STATE.name)
    for user in gone:
        del scene.truth[user]
        scene.ended[user] = time.monotonic()
    await scene.republish()
    # The new bucket gets past the sequence at which the old one stood.
    await scene.change({user: true["isPro"] for user, true in list(scene.truth.items())[:2_000]})
    scene.proxies.heal()
    await equal(mirror, scene)


async def test_offline_for_long_while_everything_changes(mirror, scene):
    scene.proxies.call(LINK, "refuse")
    await until(lambda: not mirror.current, TRUST_SECONDS)
    await scene.change({user: not true["isPro"] for user, true in list(scene.truth.items())[:3_000]})
    await scene.forget(*some(scene, 20, are_pro=True))
    assert not mirror.current
    scene.proxies.heal()
    await equal(mirror, scene)


@pytest.mark.parametrize("fault", ["swallow", "stall", "half_close", "reset_all"])
async def test_a_connection_that_only_seems_to_be_there_is_noticed(mirror, scene, fault):
    [user] = some(scene, 1, are_pro=True)
    scene.proxies.call(LINK, fault)
    await scene.change(ended(user))
    await until(lambda: not mirror.current or not mirror.is_pro(user), TRUST_SECONDS + SLACK_SECONDS)
    scene.proxies.heal()
    await equal(mirror, scene)


async def test_a_storm_of_changes_and_cuts_in_the_middle_of_a_message(mirror, scene):
    users = list(scene.truth)[:2_000]

    async def storm() -> None:
        for number in range(6):
            await scene.change({user: (number + at) % 2 == 0 for at, user in enumerate(users)})

    blowing = asyncio.create_task(storm())
    while not blowing.done():
        scene.proxies.set(LINK, "cut_after", 50_000)
        await asyncio.sleep(1)
    await blowing
    scene.proxies.heal()
    await equal(mirror, scene)


async def test_a_forgotten_user_is_gone_and_may_return_at_version_1(mirror, scene):
    told: list[tuple[str, int, bool]] = []
    mirror.on_change(lambda state: told.append((state.user_id, state.version, state.is_pro)))
    user = next(user for user in scene.truth if scene.truth[user]["version"] > 1)
    await scene.forget(user)
    await until(lambda: mirror.get(user) is None)
    assert mirror.is_pro(user) is False
    await until(lambda: told == [(user, 0, False)])
    await scene.change({user: True})
    await until(lambda: mirror.is_pro(user))
    assert scene.truth[user]["version"] == 1
    await until(lambda: told[1:] == [(user, 1, True)])
    await equal(mirror, scene)


async def test_entries_that_leave_without_a_marker_are_noticed(mirror, scene):
    purged = some(scene, 3, are_pro=True)
    await scene.purge(*purged)
    await until(lambda: not (mirror.current and any(mirror.is_pro(user) for user in purged)), TRUST_SECONDS + SLACK_SECONDS)
    await equal(mirror, scene)


async def test_an_entry_that_cant_be_read_makes_nobody_pro(mirror, scene, caplog):
    one, two, three = some(scene, 3, are_pro=True)
    async with scene.writer() as connection:
        for user, value in ((one, b"not json"), (two, b'{"userId": "x"}'), (three, str(data(three, 9, is_pro=True)).encode())):
            await connection.jetstream().publish(f"$KV.ENTITLEMENT_STATE.{state_key(user)}", value)
    await until(lambda: not any(mirror.is_pro(user) for user in (one, two, three)))
    assert "can't be read" in caplog.text
    await scene.change(dict.fromkeys((one, two, three), True))
    await equal(mirror, scene)


async def test_it_waits_for_a_broker_and_says_why_it_has_to(scene):
    mirror = EntitlementMirror("nats://127.0.0.1:1")
    with pytest.raises(TimeoutError, match=r"The mirror is not current after 1.5 s: .+"):
        await mirror.start(1.5)
    assert not mirror.current and mirror.is_pro("user_1") is False
    with pytest.raises(ValueError, match="nats_url is empty"):
        EntitlementMirror(" ")


async def test_a_second_start_is_a_mistake_and_says_so(mirror):
    with pytest.raises(RuntimeError, match="runs already"):
        await mirror.start()
