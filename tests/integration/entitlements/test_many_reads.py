"""``POST /internal/entitlements``: what the gateway asks for many users at once."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from atlas_contracts.many_reads import MANY_ENTITLEMENTS, MAX_READS
from support.embedded import embedded_nats
from support.entitlements import Service, publish, running, token
from support.facts import Purchase
from support.servers import Postgres

LONGEST = "\U0001f600" * 251


@pytest.fixture(scope="module")
def service(postgres: Postgres) -> Iterator[Service]:
    with embedded_nats() as nats_url, running(nats_url, postgres.create_database()) as started:
        publish(nats_url, facts := [Purchase("ada").paid(at=0), Purchase("bob").paid(at=1)])
        assert started.applied(facts)
        yield started


def ask(service: Service, users: list[str], request_ids: list[str] | None = None, subject: str = "account-gateway") -> tuple[int, dict]:
    return service.get(MANY_ENTITLEMENTS, token(subject), {"userIds": users, "requestIds": request_ids or []})


def test_each_user_gets_what_a_question_of_their_own_is_answered(service: Service) -> None:
    users = ["bob", "nobody", "ada", "bob", "o'neill\\ \"x\"", "用户"]
    status, answer = ask(service, users)
    assert status == 200
    assert answer["entitlements"] == [service.entitlement(user) for user in users]
    assert [one["isPro"] for one in answer["entitlements"]] == [True, False, True, True, False, False]
    assert ask(service, []) == (200, {"entitlements": []})


def test_the_largest_question_is_answered_and_no_larger_one(service: Service) -> None:
    users = [f"{LONGEST}{number:04}" for number in range(MAX_READS)]
    status, answer = ask(service, users, ["r" * 128] * MAX_READS)
    assert status == 200 and [one["userId"] for one in answer["entitlements"]] == users
    assert ask(service, [*users, "ada"])[0] == 400
    assert ask(service, ["ada"], ["r"] * (MAX_READS + 1))[0] == 400


@pytest.mark.parametrize("user", ["", " ada", "a\0b", "x" * 256, "\ud800"])
def test_what_is_no_user_id_is_refused(service: Service, user: str) -> None:
    status, answer = ask(service, ["ada", user])
    assert (status, answer["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("request_id", ["", "a b", "a\nb", "r" * 129])
def test_what_is_no_request_id_reaches_no_log(service: Service, request_id: str) -> None:
    assert ask(service, ["ada"], [request_id, "req_fine"])[0] == 400
    assert "req_fine" not in service.log.read_text()


def test_a_users_token_asks_about_no_other(service: Service) -> None:
    status, answer = ask(service, ["bob"], subject="ada")
    assert (status, answer["error"]["code"]) == (403, "forbidden")


def test_the_log_names_the_requests_that_waited(service: Service) -> None:
    assert ask(service, ["ada", "bob"], ["req_1", "req_2", "req_3"])[0] == 200
    told = [json.loads(line) for line in service.log.read_text().splitlines() if "entitlements.read" in line]
    assert [(line["users"], line["requestIds"]) for line in told if "req_2" in line["requestIds"]] == [(2, "req_1 req_2 req_3")]
    assert ask(service, ["ada"], ["req_alone"])[0] == 200
    assert "req_alone" not in service.log.read_text(), "its own line has it: the request's id is the same"
