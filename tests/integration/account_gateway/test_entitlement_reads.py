"""Reads that travel together, in front of a service that answers out of order, wrongly, late or not at all."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from account_gateway.adapters import entitlement_reads
from account_gateway.adapters.entitlement_reads import PATIENCE_SECONDS
from atlas_contracts.many_reads import MAX_READS
from atlas_kit.http.errors import InvalidRequest, Unavailable
from atlas_kit.process import context
from support.entitlement_reads import MANY, ONE, Answer, Asked, Seen, error, outcome, records, serving, well

pytestmark = pytest.mark.anyio


async def test_of_256_users_at_once_each_gets_their_own_answer_whatever_its_order() -> None:
    chance = random.Random(7)

    async def shuffled(asked: Asked) -> Answer:
        await asyncio.sleep(chance.random() * 0.01)
        return records(chance.sample(asked.users, len(asked.users)))

    async with serving() as service:
        service.behave = shuffled

        async def several(user: str) -> list[str]:
            got = []
            for _ in range(5):
                await asyncio.sleep(chance.random() * 0.01)
                got.append((await service.reads.read(user, Seen)).userId)
            return got

        users = [f"user_{number}" for number in range(256)]
        assert await asyncio.gather(*map(several, users)) == [[user] * 5 for user in users]
        assert len(service.asked) < 256, "they travel together"


async def test_the_first_read_goes_at_once_and_those_that_come_meanwhile_go_together() -> None:
    async with serving() as service:
        service.behave = service.held
        first = service.read("ada")
        await service.until_asked(1)
        meanwhile = [service.read(user) for user in ("bob", "cyd", "bob", "ada")]
        await asyncio.sleep(PATIENCE_SECONDS / 3)
        assert len(service.asked) == 1
        service.go.set()
        assert (await first).userId == "ada"
        assert [await outcome(task) for task in meanwhile] == ["bob", "cyd", "bob", "ada"]
        assert [asked.users for asked in service.asked] == [["ada"], ["bob", "cyd", "ada"]]
        assert {asked.subject for asked in service.asked} == {"account-gateway"}


async def test_a_read_sees_what_was_there_when_it_began() -> None:
    """The question under way was asked before the change: its answer is no answer to a read after the change."""
    state = 1
    async with serving() as service:

        async def as_of_now(asked: Asked) -> Answer:
            told = state
            await service.go.wait()
            return records(asked.users, told=told)

        service.behave = as_of_now
        before = service.read("ada")
        await service.until_asked(1)
        state = 2
        after = service.read("ada")
        service.go.set()
        assert ((await before).told, (await after).told) == (1, 2)


async def test_a_question_is_bounded() -> None:
    async with serving() as service:
        users = [f"user_{number}" for number in range(4 * MAX_READS + 1)]
        assert [await outcome(task) for task in [service.read(user) for user in users]] == users
        assert max(len(asked.users) for asked in service.asked) == MAX_READS


async def test_whoever_hangs_up_takes_nobodys_answer_along() -> None:
    async with serving() as service:
        service.behave = service.held
        under_way = [service.read(user) for user in ("ada", "bob")]
        await service.until_asked(1)
        waiting = [service.read(user) for user in ("cyd", "dan", "eve")]
        await asyncio.sleep(0.01)
        under_way[0].cancel()
        waiting[1].cancel()
        service.go.set()
        assert [await outcome(task) for task in (under_way[1], waiting[0], waiting[2])] == ["bob", "cyd", "eve"]
        assert service.asked[1].users == ["cyd", "eve"]
        service.go.clear()
        service.read("fay")
        await service.until_asked(3)
        alone = service.read("gus")
        await asyncio.sleep(0.01)
        alone.cancel()
        service.go.set()
        assert await outcome(service.read("hal")) == "hal"
        assert "gus" not in str([asked.body for asked in service.asked])


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda users: [{"userId": user} for user in users if user != "bob"], ["ada", "Unavailable", "cyd"]),
        (lambda users: [{"userId": "ada" if user == "bob" else user} for user in users], ["ada", "Unavailable", "cyd"]),
        (lambda users: [{"userId": user, "told": "?" if user == "bob" else 1} for user in users], ["ada", "Unavailable", "cyd"]),
        (lambda users: [{"told": 1}, *({"userId": user} for user in users[1:])], ["Unavailable", "bob", "cyd"]),
        (lambda users: [{"userId": user} for user in [*users, "mal"]], ["ada", "bob", "cyd"]),
        (lambda _users: [], ["Unavailable"] * 3),
        (lambda _users: ["ada"], ["Unavailable"] * 3),
        (lambda _users: None, ["Unavailable"] * 3),
    ],
    ids=["missing", "another's", "unreadable", "nobody's", "one too many", "none", "no records", "nothing"],
)  # fmt: skip
async def test_a_wrong_record_is_the_problem_of_one_user(made: Callable[[list[str]], Any], expected: list[str]) -> None:
    async def wrong(asked: Asked) -> Answer:
        return 200, {"entitlements": made(asked.users)}

    async with serving() as service:
        service.behave = wrong
        assert [await outcome(task) for task in [service.read(user) for user in ("ada", "bob", "cyd")]] == expected


async def test_when_the_service_dies_all_that_wait_hear_it_and_the_next_read_finds_it_back() -> None:
    async def dies(_asked: Asked) -> Answer:
        return None

    async with serving() as service:
        assert await outcome(service.read("ada")) == "ada"
        service.behave = dies
        tasks = [service.read(user) for user in ("ada", "bob", "ada")]
        assert [await outcome(task) for task in tasks] == ["Unavailable"] * 3
        assert len({id(task.exception()) for task in tasks}) == 3, "one error each, which its request may word"
        service.behave = well
        assert await outcome(service.read("bob")) == "bob"


async def test_a_question_that_hangs_holds_nobody_back_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entitlement_reads, "DEFAULT_SECONDS", 3.0)
    async with serving() as service:

        async def first_hangs(asked: Asked) -> Answer:
            return await (service.held if "ada" in asked.users else well)(asked)

        service.behave = first_hangs
        started = time.monotonic()
        hangs = service.read("ada")
        await service.until_asked(1)
        assert await outcome(service.read("bob")) == "bob"
        assert PATIENCE_SECONDS / 2 < time.monotonic() - started < 2.5, "it was held back, but not until the other's end"
        assert await outcome(service.read("cyd")) == "cyd"
        assert not hangs.done()
        assert await outcome(hangs) == "Unavailable"
        assert service.reads._holding == 0
        service.behave = service.held
        late = service.read("dan")
        await asyncio.sleep(0.05)
        service.go.set()
        assert await outcome(late) == "dan", "a late answer to somebody else is none to the next"


async def test_an_older_service_is_asked_singly_and_later_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entitlement_reads, "SINGLY_SECONDS", 1.0)

    async def older(asked: Asked) -> Answer:
        return error(404, "not_found") if asked.path == MANY else await well(asked)

    async with serving() as service:
        service.behave = older
        assert [await outcome(task) for task in [service.read("ada"), service.read("bob")]] == ["ada", "bob"]
        assert await outcome(service.read("cyd")) == "cyd"
        assert [asked.path for asked in service.asked] == [MANY, ONE, ONE, ONE]
        assert [asked.subject for asked in service.asked[1:]] == ["ada", "bob", "cyd"], "each with a token of their own"
        service.behave = well
        await asyncio.sleep(1.1)
        assert await outcome(service.read("dan")) == "dan"
        assert service.asked[-1].path == MANY


@pytest.mark.parametrize("refusal", [error(500, "internal_error"), error(400, "invalid_request")])
async def test_a_user_who_cannot_be_read_is_no_reason_to_refuse_the_others(refusal: Answer) -> None:
    async def poisoned(asked: Asked) -> Answer:
        users = asked.users if asked.path == MANY else [asked.subject]
        return refusal if "bob" in users else await well(asked)

    async with serving() as service:
        service.behave = poisoned
        tasks = [service.read(user) for user in ("ada", "bob", "cyd")]
        failed = "AtlasError" if refusal and refusal[0] == 500 else InvalidRequest.__name__
        assert [await outcome(task) for task in tasks] == ["ada", failed, "cyd"]
        assert [asked.path for asked in service.asked] == [MANY, ONE, ONE, ONE]


async def test_a_service_that_is_busy_is_not_asked_again_for_each() -> None:
    async def busy(_asked: Asked) -> Answer:
        return error(503, "internal_error")

    async with serving() as service:
        service.behave = busy
        tasks = [service.read(user) for user in ("ada", "bob")]
        for task in tasks:
            with pytest.raises(Unavailable, match=r"Its words\.") as told:
                await task
            assert told.value.headers == {"retry-after": "3"}
        assert len(service.asked) == 1


async def test_a_question_carries_the_ids_of_the_requests_that_wait() -> None:
    async with serving() as service:

        async def requested(user: str, request_id: str) -> str:
            context.enter(request_id)
            trace = str(context.current_trace_id())
            await service.reads.read(user, Seen)
            return trace

        trace = await asyncio.create_task(requested("ada", "req_ada"))
        alone = service.asked[0].headers
        assert (alone["x-request-id"], context.trace_id(alone["traceparent"])) == ("req_ada", trace)
        traces = await asyncio.gather(requested("ada", "req_1"), requested("bob", "req_2"), requested("ada", "req_3"))
        assert service.asked[1].body == {"userIds": ["ada", "bob"], "requestIds": ["req_1", "req_2", "req_3"]}
        together = service.asked[1].headers
        assert together["x-request-id"] not in ("req_1", "req_2", "req_3")
        assert context.trace_id(together["traceparent"]) not in traces
